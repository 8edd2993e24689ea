//! See `trapline_fuzz::watchpoint_plan`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::watchpoint_plan::check);
