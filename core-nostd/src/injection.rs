//! Exceptions that are the guest's own, given back as hardware would have delivered them.
