//! Watchpoints: any range, as the smallest exact set of comparators.
