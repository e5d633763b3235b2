//! libFuzzer's way into [`pullback_fuzz::pipeline`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    pullback_fuzz::pipeline::run(bytes);
});
