"""What `inspect` tells of a folder: the facts and numbers, and how they are shown."""
