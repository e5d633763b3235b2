//! libFuzzer's way into [`pullback_fuzz::text`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    pullback_fuzz::text::run(bytes);
});
