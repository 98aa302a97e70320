"""Where files are: folders of this machine and at URLs, locks on them, and copies of what lies far away."""
