//! What goes wrong with boards.
