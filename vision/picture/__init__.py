"""From the pixels of a picture to a reading: text, badges, shapes, icons, names, arrows, legend, steps."""
