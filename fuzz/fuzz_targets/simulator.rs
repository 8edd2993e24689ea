//! See `trapline_fuzz::simulator`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::simulator::check);
