//! What is written is read, and bad bytes are an error within the file.

use ndarray::{ArrayD, Dimension, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Arrays, IoError, load_parameters, save_parameters};
use crate::{
    graph::{DType, Value},
    parameters::{Layout, Parameters},
};

fn sample() -> Arrays {
    let mut arrays = Arrays::new();
    let array = |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |at| at.slice().iter().sum::<usize>());
    arrays.insert("a", Value::F32(array(&[2, 3]).mapv(|x| x as f32 / 3.0)));
    arrays.insert("b", Value::F64(array(&[]).mapv(|_| f64::NAN)));
    arrays.insert("c", Value::I64(array(&[0, 4]).mapv(|x| x as i64)));
    arrays.insert("d", Value::Bool(array(&[5]).mapv(|x| x % 2 == 0)));
    arrays.note("line\nbreak", "a, \"quoted\" text\nof two lines");
    arrays
}

#[test]
fn what_is_written_is_read() {
    let (written, read) = (sample(), Arrays::from_bytes("x", &sample().to_bytes()).unwrap());
    assert_eq!(read.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    for (name, value) in written.iter().filter(|(name, _)| *name != "b") {
        assert_eq!(read.get(name), Some(value));
    }
    assert!(matches!(read.get("b"), Some(Value::F64(array)) if array[[]].is_nan()));
    assert_eq!(read.text("line\nbreak"), Some("a, \"quoted\" text\nof two lines"));
    assert_eq!(read.to_bytes(), written.to_bytes());
}

/// Cut at every byte, made longer, and with bytes changed at random: an error within the file, or arrays.
#[test]
fn bad_bytes_are_an_error_with_an_offset() {
    let good = sample().to_bytes();
    let read = |bytes: &[u8]| Arrays::from_bytes("x", bytes);
    let offset = |error: IoError| match error {
        IoError::Malformed { offset, .. } | IoError::UnknownType { offset, .. } => offset,
        error => panic!("{error}"),
    };
    for length in 0..good.len() {
        assert!(offset(read(&good[..length]).unwrap_err()) <= length);
    }
    assert!(read(&[&good[..], &[0]].concat()).is_err());
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for _ in 0..5000 {
        let mut bytes = good.clone();
        for _ in 0..rng.random_range(1..4) {
            let position = rng.random_range(0..bytes.len());
            bytes[position] = rng.random();
        }
        if let Err(error) = read(&bytes) {
            assert!(offset(error) <= bytes.len());
        }
    }
}

#[test]
fn parameters_are_read_by_their_layout() {
    let layout = |dtype, n| Layout::new([("w", dtype, vec![n]), ("b", DType::F64, vec![])]).unwrap();
    let mut parameters = Parameters::zeros(layout(DType::F32, 3));
    parameters.flat_mut::<f32>().copy_from_slice(&[1.0, -0.0, f32::MIN_POSITIVE / 2.0]);
    let path = std::env::temp_dir().join(format!("pullback-io-{}.safetensors", std::process::id()));
    save_parameters(&path, &parameters).unwrap();
    let read = load_parameters(&path, parameters.layout());
    let others = [layout(DType::F64, 3), layout(DType::F32, 4)].map(|layout| load_parameters(&path, &layout.into()));
    let more = Layout::new([("w", DType::F32, vec![3]), ("more", DType::F32, vec![1])]).unwrap();
    let missing = load_parameters(&path, &more.into());
    std::fs::remove_file(&path).unwrap();
    let bits = |parameters: &Parameters| parameters.flat::<f32>().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.unwrap()), bits(&parameters));
    assert!(others.iter().all(|read| matches!(read, Err(IoError::Parameter { .. }))), "{others:?}");
    assert!(matches!(missing, Err(IoError::MissingArray { ref name, .. }) if name == "more"));
    assert!(matches!(load_parameters(&path, parameters.layout()), Err(IoError::Read { .. })));
}
