//! Which comparator serves which request.
