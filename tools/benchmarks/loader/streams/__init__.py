"""The contenders: each file makes an endless stream of batches, images first, then labels, in the way its library recommends."""
