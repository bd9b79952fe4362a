"""What everything else stands on: files, the machine, the console, the command line, names."""
