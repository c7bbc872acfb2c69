"""One program for each other runtime, with no import that the runtime does not need."""
