//! See `trapline_fuzz::condition`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::condition::check);
