//! libFuzzer's way into every reader of files: the first byte chooses which.

#![no_main]

use pullback_fuzz::readers::READERS;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| if let Some((choice, bytes)) = bytes.split_first() {
    (READERS[usize::from(*choice) % READERS.len()].run)(bytes);
});
