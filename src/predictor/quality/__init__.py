"""What the data are like before anything is learned from them, in figures that show nobody."""
