//! See `trapline_fuzz::expression`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::expression::check);
