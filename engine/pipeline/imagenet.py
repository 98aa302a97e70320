"""ImageNet's statistics per channel, of 0 to 255, as torchvision's VGG weights expect their input to be normalised."""

MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
