"""The parts of the page, one file each: from data to a `page.Section`."""
