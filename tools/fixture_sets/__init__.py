"""One module for each set of fixtures; each has `make(folder, options)`."""
