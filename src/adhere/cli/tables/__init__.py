"""What commands print: one file for each command's tables, all drawn by `layout`."""
