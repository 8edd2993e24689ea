//! Where a comparator matches: exception levels and security states.
