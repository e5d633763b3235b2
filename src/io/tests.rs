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
    let array = |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |index| index.slice().iter().sum::<usize>());
    arrays.insert("a", Value::F32(array(&[2, 3]).mapv(|x| x as f32 / 3.0)));
    arrays.insert("b", Value::F64(array(&[]).mapv(|_| f64::NAN)));
    arrays.insert("c", Value::I64(array(&[0, 4]).mapv(|x| x as i64)));
    arrays.insert("d", Value::Bool(array(&[5]).mapv(|x| x % 2 == 0)));
    arrays.note("line\nbreak", "a, \"quoted\" text\nof two lines");
    arrays
}

#[test]
fn what_is_written_is_read() {
    let (written, read) = (sample(), Arrays::from_bytes("x", &sample().to_bytes().unwrap()).unwrap());
    assert_eq!(read.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    for (name, value) in written.iter().filter(|(name, _)| *name != "b") {
        assert_eq!(read.get(name), Some(value));
    }
    assert!(matches!(read.get("b"), Some(Value::F64(array)) if array[[]].is_nan()));
    assert_eq!(read.text("line\nbreak"), Some("a, \"quoted\" text\nof two lines"));
    assert_eq!(read.to_bytes().unwrap(), written.to_bytes().unwrap());
}

/// Cut at every byte, made longer, and with bytes changed at random: an error within the file, or arrays.
#[test]
fn bad_bytes_are_an_error_with_an_offset() {
    let good = sample().to_bytes().unwrap();
    let read = |bytes: &[u8]| Arrays::from_bytes("x", bytes);
    let offset = |error: IoError| match error {
        IoError::Malformed { offset, .. } => offset,
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
    parameters.flat_mut::<f32>().unwrap().copy_from_slice(&[1.0, -0.0, f32::MIN_POSITIVE / 2.0]);
    let path = std::env::temp_dir().join(format!("pullback-io-{}.safetensors", std::process::id()));
    save_parameters(&path, &parameters).unwrap();
    let read = load_parameters(&path, parameters.layout());
    let others = [layout(DType::F64, 3), layout(DType::F32, 4)].map(|layout| load_parameters(&path, &layout.into()));
    let more = Layout::new([("w", DType::F32, vec![3]), ("more", DType::F32, vec![1])]).unwrap();
    let missing = load_parameters(&path, &more.into());
    std::fs::remove_file(&path).unwrap();
    let bits =
        |parameters: &Parameters| parameters.flat::<f32>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.unwrap()), bits(&parameters));
    assert!(others.iter().all(|read| matches!(read, Err(IoError::Parameter { .. }))), "{others:?}");
    assert!(matches!(missing, Err(IoError::MissingArray { ref name, nearest: None, .. }) if name == "more"));
    assert!(matches!(load_parameters(&path, parameters.layout()), Err(IoError::Read { .. })));
}

/// A file as another program writes it: names, types, shapes and how many bytes each array takes.
fn foreign_file(arrays: &[(&str, &str, &[usize], usize)]) -> Vec<u8> {
    let mut start = 0;
    let entries = arrays.iter().map(|(name, dtype, shape, n_bytes)| {
        let end = start + n_bytes;
        let entry = format!("{name:?}:{{\"dtype\":{dtype:?},\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}");
        start = end;
        entry
    });
    let header = format!("{{{}}}", entries.collect::<Vec<_>>().join(","));
    let data: Vec<u8> = (0..start).map(|position| position as u8).collect();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// Every type that the format has beside ours.
#[test]
fn arrays_of_any_foreign_type_leave_the_others_readable_and_are_written_again() {
    let types = [
        ("F16", 2),
        ("BF16", 2),
        ("F8_E4M3", 1),
        ("F8_E5M2", 1),
        ("I8", 1),
        ("U8", 1),
        ("I16", 2),
        ("U16", 2),
        ("I32", 4),
        ("U32", 4),
        ("U64", 8),
    ];
    for (dtype, size) in types {
        let file = foreign_file(&[("w", "F32", &[2], 8), ("half", dtype, &[3], 3 * size)]);
        let mut read = Arrays::from_bytes("x", &file).unwrap();
        assert_eq!(read.get("w").map(Value::shape), Some(&[2][..]), "{dtype}");
        assert_eq!(read.foreign().collect::<Vec<_>>(), [("half", dtype.to_lowercase())]);
        let again = Arrays::from_bytes("x", &read.to_bytes().unwrap()).unwrap();
        assert_eq!(again, read);

        let ask = |name: &str| {
            let layout = Layout::new([(name, DType::F32, vec![3])]).unwrap();
            read.buffers("x".as_ref(), "", &layout.into()).unwrap_err().to_string()
        };
        let lower = dtype.to_lowercase();
        let expected = format!("the array \"half\" is of {lower}, not f32, f64, i64 or bool; convert it");
        assert!(ask("half").contains(&expected), "{}", ask("half"));
        assert!(ask("hlaf").ends_with("there is no array \"hlaf\"; the nearest name is `half`"), "{}", ask("hlaf"));
        read.insert("half", Value::from(1.0));
        assert_eq!(read.foreign().len(), 0);
    }
}

/// Names are compared without what they all begin with.
#[test]
fn a_missing_array_suggests_a_name_that_is_near_and_none_that_is_not() {
    let mut arrays = Arrays::new();
    for name in ["optimizer/mean/hidden.weight", "optimizer/mean/b"] {
        arrays.insert(name, Value::from(1.0f32));
    }
    let ask = |name: &str| {
        let layout = Layout::new([(name, DType::F32, vec![])]).unwrap();
        arrays.buffers("x".as_ref(), "optimizer/mean/", &layout.into()).unwrap_err().to_string()
    };
    let near =
        "x: there is no array \"optimizer/mean/hiden.weight\"; the nearest name is `optimizer/mean/hidden.weight`";
    assert_eq!(ask("hiden.weight"), near);
    assert_eq!(ask("scale"), "x: there is no array \"optimizer/mean/scale\"");
}

/// What no reader would take is not written: a name, and a header.
#[test]
fn nothing_is_saved_that_cannot_be_loaded() {
    let path = std::env::temp_dir().join(format!("pullback-io-refused-{}.safetensors", std::process::id()));
    let reserved = Parameters::zeros(Layout::new([("__metadata__", DType::F32, vec![2])]).unwrap());
    let error = save_parameters(&path, &reserved).unwrap_err();
    assert!(matches!(error, IoError::ReservedName { .. }) && error.to_string().contains("__metadata__"), "{error}");
    let mut large = Arrays::new();
    large.note("history", "x".repeat(100_000_000));
    assert!(matches!(large.save(&path), Err(IoError::LargeHeader)));
    assert!(!path.exists());
}

/// The format's own library takes an empty array of any other sizes.
#[test]
fn empty_arrays_of_sizes_beyond_memory_are_an_error() {
    let (half, most) = (usize::MAX / 2 + 1, usize::MAX);
    let shapes: [&[usize]; 5] = [&[0, half, 2], &[half, 0], &[0, most], &[0, most, most], &[most, 0, 3]];
    for (dtype, shape) in ["F32", "F64", "I64", "BOOL"].into_iter().flat_map(|dtype| shapes.map(|shape| (dtype, shape)))
    {
        let read = Arrays::from_bytes("x", &foreign_file(&[("w", dtype, shape, 0)]));
        assert!(matches!(read, Err(IoError::Malformed { .. })), "{dtype}{shape:?}: {read:?}");
    }
    let empty = Arrays::from_bytes("x", &foreign_file(&[("w", "F32", &[0, 1 << 20], 0)])).unwrap();
    assert_eq!(empty.get("w").map(Value::shape), Some(&[0, 1 << 20][..]));
}
