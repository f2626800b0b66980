#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| taskmaster_fuzz::daemon::left::handover(bytes));
