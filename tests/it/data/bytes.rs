//! Files of each format, made in memory.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

/// An IDX file with that type, those sizes, and `contents`, whether they fit or not.
pub(super) fn idx(element: u8, shape: &[u32], contents: &[u8]) -> Vec<u8> {
    let sizes = shape.iter().flat_map(|size| size.to_be_bytes());
    [0, 0, element, shape.len() as u8].into_iter().chain(sizes).chain(contents.iter().copied()).collect()
}

/// `n` images of 28×28 pixels, all different from their neighbours.
pub(super) fn images(n: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..n * 784).map(|position| (position * 7 % 251) as u8).collect();
    idx(8, &[n, 28, 28], &pixels)
}

/// The labels 0 to n − 1.
pub(super) fn labels(n: u8) -> Vec<u8> {
    let labels: Vec<u8> = (0..n).collect();
    idx(8, &[n.into()], &labels)
}

/// `n` examples of CIFAR with `n_labels` labels each, which count up.
pub(super) fn cifar(n: u8, n_labels: u8) -> Vec<u8> {
    let example = |position: u8| (0..n_labels).map(move |label| position + label);
    let pixels = |position: u8| (0..3072u32).map(move |pixel| (pixel * 5 % 241) as u8 ^ position);
    (0..n).flat_map(|position| example(position).chain(pixels(position))).collect()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
