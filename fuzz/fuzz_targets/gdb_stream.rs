//! See `trapline_fuzz::gdb_stream`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::gdb_stream::check);
