//! Readers of files: whatever bytes they are given, they answer or say what is wrong.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use ndarray::{ArrayD, IxDyn};
use pullback::{
    Value,
    data::{
        cifar::{self, Cifar},
        csv::{self, Column, Format, Header},
        idx, mnist, read_digits,
    },
    io::{Arrays, npy_from_bytes, npy_to_bytes},
};

use crate::Target;

/// Every reader of bytes.
pub const READERS: [Target; 8] = [
    Target { name: "idx", run: |bytes| idx::read_from("fuzz", bytes).is_ok(), seeds: idx_seeds, is_text: false },
    Target { name: "mnist", run: run_mnist, seeds: mnist_seeds, is_text: false },
    Target { name: "cifar", run: run_cifar, seeds: || vec![vec![3; 3073], vec![7; 3074]], is_text: false },
    Target { name: "csv", run: run_csv, seeds: csv_seeds, is_text: false },
    Target { name: "digits", run: |bytes| read_digits(bytes).is_ok(), seeds: digits_seeds, is_text: false },
    Target { name: "safetensors", run: run_arrays, seeds: arrays_seeds, is_text: false },
    Target { name: "npy", run: run_npy, seeds: npy_seeds, is_text: false },
    Target { name: "npz", run: run_npz, seeds: npz_seeds, is_text: false },
];

/// The first two bytes tell where the images end and the labels begin.
fn run_mnist(bytes: &[u8]) -> bool {
    let Some((end, bytes)) = bytes.split_first_chunk::<2>() else { return false };
    let (images, labels) = bytes.split_at(usize::from(u16::from_be_bytes(*end)).min(bytes.len()));
    mnist::read_from(("images", images), ("labels", labels)).is_ok()
}

fn run_cifar(bytes: &[u8]) -> bool {
    let read = |kind| cifar::read_from("fuzz", bytes, kind).is_ok();
    read(Cifar::Ten) | read(Cifar::HundredFine)
}

fn run_csv(bytes: &[u8]) -> bool {
    let formats = [
        Format::with_target("label"),
        Format { target: Column::Last, header: Header::Absent, delimiter: b';' },
        Format { target: Column::Index(1), header: Header::Present, delimiter: b',' },
    ];
    let read = |format| {
        csv::read_from::<i64>("fuzz", bytes, format).is_ok() | csv::read_from::<f32>("fuzz", bytes, format).is_ok()
    };
    formats.iter().filter(|format| read(format)).count() > 0
}

/// What is read can be written, and is then the same.
fn run_arrays(bytes: &[u8]) -> bool {
    let Ok(arrays) = Arrays::from_bytes("fuzz", bytes) else { return false };
    let written = arrays.to_bytes().expect("what is read can be written");
    let again = Arrays::from_bytes("fuzz", &written).expect("what is written can be read");
    assert_eq!(again.to_bytes().ok(), Some(written), "what is written is read as it is");
    true
}

/// What is read is written as NumPy writes it, and is then the same: by bytes, since NaN is not equal to itself.
fn run_npy(bytes: &[u8]) -> bool {
    let Ok(value) = npy_from_bytes("fuzz", bytes) else { return false };
    let written = npy_to_bytes(&value);
    let again = npy_from_bytes("fuzz", &written).expect("what is written can be read");
    assert_eq!(npy_to_bytes(&again), written, "what is written is read as it is");
    true
}

fn run_npz(bytes: &[u8]) -> bool {
    let Ok(arrays) = Arrays::from_npz("fuzz", bytes) else { return false };
    let written = arrays.to_npz().expect("what is read can be written");
    let again = Arrays::from_npz("fuzz", &written).expect("what is written can be read");
    assert_eq!(again.to_npz().ok(), Some(written), "what is written is read as it is");
    true
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

fn idx_seeds() -> Vec<Vec<u8>> {
    let bytes = [&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[1, 2, 3, 4, 5, 6]].concat();
    let floats = [&[0, 0, 13, 1, 0, 0, 0, 2][..], &1.5f32.to_be_bytes(), &f32::NAN.to_be_bytes()].concat();
    let images =
        [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2][..], &[9, 8, 7, 6], &[0, 0, 8, 1, 0, 0, 0, 1, 5]].concat();
    vec![gzipped(&bytes), bytes, floats, images]
}

fn mnist_seeds() -> Vec<Vec<u8>> {
    let images = [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28][..], &[9; 28 * 28]].concat();
    let labels = [0, 0, 8, 1, 0, 0, 0, 1, 5];
    // 16 bytes of header and 784 of pixels: 3·256 + 32.
    vec![[&[3, 32], &images[..], &labels].concat()]
}

fn csv_seeds() -> Vec<Vec<u8>> {
    [&b"a,b,label\n1.0,2.5,0\n-3e4,\"4\",1\n"[..], b"1,2\n3,4\n", b"x;y\n1;\"a\n\"\"b\"\n"].map(<[u8]>::to_vec).into()
}

fn digits_seeds() -> Vec<Vec<u8>> {
    let row: String = (0..64).map(|pixel| format!("{},", pixel % 17)).chain(["7\n".to_string()]).collect();
    vec![gzipped(row.repeat(3).as_bytes()), gzipped(b"")]
}

fn npy_seeds() -> Vec<Vec<u8>> {
    let columns = b"\x93NUMPY\x01\x00\x3b\x00{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }\n\x00\x01\x00\x02\x00\x03\x00\x04";
    let values = arrays();
    values.iter().map(|(_, value)| npy_to_bytes(value)).chain([columns.to_vec()]).collect()
}

fn npz_seeds() -> Vec<Vec<u8>> {
    [arrays(), Arrays::new()].map(|arrays| arrays.to_npz().expect("names and sizes are good")).into()
}

fn arrays() -> Arrays {
    let mut arrays = Arrays::new();
    arrays.insert("weight", Value::F32(ArrayD::from_elem(IxDyn(&[2, 3]), 0.5)));
    arrays.insert("bias", Value::F64(ArrayD::from_elem(IxDyn(&[0, 7]), 0.5)));
    arrays.insert("step", Value::from(17i64));
    arrays.insert("mask", Value::Bool(ArrayD::from_elem(IxDyn(&[3]), true)));
    arrays
}

fn arrays_seeds() -> Vec<Vec<u8>> {
    let mut arrays = arrays();
    arrays.note("rule", "adam");
    [arrays, Arrays::new()].map(|arrays| arrays.to_bytes().expect("names and sizes are good")).into()
}
