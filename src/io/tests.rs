//! What is written is read, and bad bytes are an error within the file.

use ndarray::{ArrayD, Dimension, IxDyn, arr0, arr1, arr2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Arrays, IoError, StoredFloat, Weights, load_parameters, save_parameters, save_parameters_as};
use crate::{
    graph::{DType, Value, ValueView},
    parameters::{Layout, Parameters, State},
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
    let read = load_parameters(&path, &parameters);
    let wide = load_parameters(&path, &Parameters::zeros(layout(DType::F64, 3))).unwrap();
    let longer = load_parameters(&path, &Parameters::zeros(layout(DType::F32, 4)));
    let more = Layout::new([("w", DType::F32, vec![3]), ("bb", DType::F32, vec![1])]).unwrap();
    let missing = load_parameters(&path, &Parameters::zeros(more)).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    let bits =
        |parameters: &Parameters| parameters.flat::<f32>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.unwrap()), bits(&parameters));
    assert_eq!(wide.array::<f64>("w").unwrap()[2], f64::from(f32::MIN_POSITIVE / 2.0));
    let longer = longer.unwrap_err().to_string();
    assert!(longer.contains("w (it has shape [4], the array [3])"), "{longer}");
    let text = missing.to_string();
    assert!(text.contains("1 missing: bb (`b` is near)"), "{text}");
    assert!(matches!(load_parameters(&path, &parameters), Err(IoError::Read { .. })));
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

/// A folder that is removed with the test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A safetensors file of arrays as bytes: names, types, shapes, bytes.
fn file_of(arrays: &[(&str, &str, &[usize], Vec<u8>)]) -> Vec<u8> {
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for (name, dtype, shape, bytes) in arrays {
        let (begin, end) = (data.len(), data.len() + bytes.len());
        header.push(format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#));
        data.extend_from_slice(bytes);
    }
    let header = format!("{{{}}}", header.join(","));
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

fn model(arrays: &[(&str, DType, &[usize])]) -> Parameters {
    Parameters::zeros(Layout::new(arrays.iter().map(|(name, dtype, shape)| (*name, *dtype, shape.to_vec()))).unwrap())
}

#[test]
fn numbers_of_every_type_become_those_of_the_model() {
    let folder = folder();
    let path = folder.path().join("all.safetensors");
    // 1.5 and −2 in each type that has them; 1 and −2, or 1 and 2, in the others.
    let arrays: Vec<(&str, &str, Vec<u8>, [f64; 2])> = vec![
        ("f16", "F16", vec![0x00, 0x3e, 0x00, 0xc0], [1.5, -2.0]),
        ("bf16", "BF16", vec![0xc0, 0x3f, 0x00, 0xc0], [1.5, -2.0]),
        ("f32", "F32", [1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.5, -2.0]),
        ("f64", "F64", [1.5f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.5, -2.0]),
        ("i8", "I8", vec![1, 0xfe], [1.0, -2.0]),
        ("u8", "U8", vec![1, 0xfe], [1.0, 254.0]),
        ("i16", "I16", [1i16, -2].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.0, -2.0]),
        ("u16", "U16", [1u16, 65535].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.0, 65535.0]),
        ("i32", "I32", [1i32, -2].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.0, -2.0]),
        ("u32", "U32", [1u32, u32::MAX].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.0, u32::MAX.into()]),
        ("i64", "I64", [1i64, -2].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.0, -2.0]),
        ("u64", "U64", [1u64, 1 << 60].iter().flat_map(|x| x.to_le_bytes()).collect(), [1.0, (1u64 << 60) as f64]),
    ];
    let files: Vec<(&str, &str, &[usize], Vec<u8>)> =
        arrays.iter().map(|(name, dtype, bytes, _)| (*name, *dtype, &[2usize][..], bytes.clone())).collect();
    std::fs::write(&path, file_of(&files)).unwrap();
    let weights = Weights::open(&path).unwrap();
    for dtype in [DType::F32, DType::F64] {
        let mut parameters = model(&arrays.iter().map(|(name, ..)| (*name, dtype, &[2usize][..])).collect::<Vec<_>>());
        assert!(weights.load_into(&mut parameters).unwrap().is_complete());
        for (name, _, _, want) in &arrays {
            let found: Vec<f64> = match parameters.view(name).unwrap() {
                ValueView::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
                ValueView::F64(array) => array.iter().copied().collect(),
                _ => unreachable!(),
            };
            let rounded = want.map(|x| if dtype == DType::F32 { f64::from(x as f32) } else { x });
            assert_eq!(found, rounded, "{name} as {dtype}");
        }
    }
    // As integers: floats do not become any.
    let state = State::new(arrays.iter().map(|(name, ..)| (*name, Value::from(arr1(&[0i64, 0])))));
    let mut parameters = Parameters::default().with_state(state);
    let report = weights.lenient().load_into(&mut parameters).unwrap();
    let misfits: Vec<&str> = report.misfits.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(misfits, ["f16", "bf16", "f32", "f64"]);
    assert_eq!(parameters.state().get("u8"), Some(&arr1(&[1i64, 254]).into()));
}

/// f16 and bf16 round to nearest even, and have subnormals, infinities and NaN.
#[test]
fn halves_are_written_and_read_back() {
    let folder = folder();
    let numbers =
        [0.0f32, -0.0, 1.0, 1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0, 65504.0, 1e-7, f32::INFINITY, f32::NAN, -3.3];
    let mut parameters = model(&[("w", DType::F32, &[10])]);
    parameters.set("w", arr1(&numbers)).unwrap();
    let state = State::new([("count", Value::from(arr0(7i64))), ("mean", Value::from(arr1(&[0.1f64])))]);
    let parameters = parameters.with_state(state);
    let f16 = [0.0, -0.0, 1.0, 1.0, 1.0 + 2.0 / 1024.0, 65504.0, 1.192_092_9e-7, f32::INFINITY, f32::NAN, -3.300_781_3];
    let bf16 = [0.0, -0.0, 1.0, 1.0, 1.0, 65536.0, 1.001_171_8e-7, f32::INFINITY, f32::NAN, -3.296_875];
    for (stored, want, bytes_each) in
        [(StoredFloat::F16, f16, 2), (StoredFloat::BF16, bf16, 2), (StoredFloat::Same, numbers, 4)]
    {
        let path = folder.path().join("half.safetensors");
        save_parameters_as(&path, &parameters, stored).unwrap();
        let length: usize = Weights::open(&path)
            .unwrap()
            .arrays()
            .filter(|(name, ..)| *name == "w")
            .map(|(_, dtype, _)| if dtype == "f32" { 4 } else { 2 })
            .sum();
        assert_eq!(length, bytes_each);
        let read = load_parameters(&path, &parameters).unwrap();
        let found = read.array::<f32>("w").unwrap();
        for (found, want) in found.iter().zip(want) {
            assert!(
                found.to_bits() == want.to_bits() || (found.is_nan() && want.is_nan()),
                "{stored:?}: {found} {want}"
            );
        }
        assert_eq!(read.state().get("count"), parameters.state().get("count"));
    }
}

#[test]
fn names_and_axes_of_another_program_are_mapped_and_the_rest_is_reported() {
    let folder = folder();
    let path = folder.path().join("other.safetensors");
    let f32s = |n: usize| (0..n).flat_map(|x| (x as f32).to_le_bytes()).collect::<Vec<u8>>();
    std::fs::write(
        &path,
        file_of(&[
            ("net.0.weight", "F32", &[3, 2], f32s(6)),
            ("net.0.bias", "F32", &[3], f32s(3)),
            ("net.2.weight", "F32", &[1, 3], f32s(3)),
            ("net.2.bias", "F8_E4M3", &[1], vec![0]),
            ("rotary.inv_freq", "F32", &[1], f32s(1)),
        ]),
    )
    .unwrap();
    let arrays: &[(&str, DType, &[usize])] = &[
        ("layer.0.weight", DType::F32, &[2, 3]),
        ("layer.0.bias", DType::F32, &[3]),
        ("layer.2.weight", DType::F32, &[3, 2]),
        ("layer.2.bias", DType::F32, &[1]),
        ("head.weight", DType::F32, &[1]),
    ];
    let open = || Weights::open(&path).unwrap().rename("net.*.*", "layer.*.*").transpose("*.weight", [1, 0]);
    let mut parameters = model(arrays);
    let before = parameters.clone();
    let IoError::Weights { report, .. } = open().load_into(&mut parameters).unwrap_err() else { panic!() };
    assert_eq!(parameters, before, "a strict load that fails changes nothing");
    assert_eq!(report.missing, ["head.weight"]);
    assert_eq!(report.unexpected, [("rotary.inv_freq".to_owned(), "rotary.inv_freq".to_owned())]);
    let names: Vec<&str> = report.misfits.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["layer.2.weight", "layer.2.bias"]);
    let text = report.to_string();
    assert!(text.contains("it has shape [3, 2], the array [3, 1], transposed"), "{text}");
    assert!(text.contains("it is f32, to which f8_e4m3 is not converted"), "{text}");
    let report = open().ignore("rotary.*").lenient().load_into(&mut parameters).unwrap();
    assert_eq!(report.loaded, ["layer.0.weight", "layer.0.bias"]);
    assert!(report.unexpected.is_empty());
    assert_eq!(
        parameters.array::<f32>("layer.0.weight").unwrap(),
        arr2(&[[0.0f32, 2.0, 4.0], [1.0, 3.0, 5.0]]).into_dyn()
    );
    // A slip in a pattern is told, even where all else fits.
    for slip in [open().transpose("*.wieght", [1, 0]), open().rename("nett.*", "layer.*"), open().ignore("rotari.*")] {
        let error = slip.lenient().load_into(&mut parameters).unwrap_err();
        assert!(matches!(error, IoError::UnmatchedPattern { .. }), "{error}");
    }
    // Two arrays for one parameter are no choice of ours.
    let twice = Weights::open(&path).unwrap().rename("net.*.bias", "layer.0.bias").lenient();
    let report = twice.load_into(&mut model(&[("layer.0.bias", DType::F32, &[3])])).unwrap();
    assert!(report.misfits[0].1.contains("are both for it"), "{report}");
}

/// Queries of four columns beside keys and values of two, as of grouped queries, with rows that are outputs, as PyTorch has them.
#[test]
fn arrays_side_by_side_are_split_by_the_widths_of_the_model() {
    let folder = folder();
    let path = folder.path().join("fused.safetensors");
    let f32s = |n: usize| (0..n).flat_map(|x| (x as f32).to_le_bytes()).collect::<Vec<u8>>();
    let file = [("h.3.qkv.weight", "F32", &[8, 3][..], f32s(24)), ("h.3.qkv.bias", "F32", &[8], f32s(8))];
    std::fs::write(&path, file_of(&file)).unwrap();
    let parts = ["q", "k", "v"];
    let open = |parts: &[&str], axis: usize| {
        let names = |kind: &str| parts.iter().map(|part| format!("block.*.{part}.{kind}")).collect::<Vec<_>>();
        let weights = Weights::open(&path).unwrap().split("h.*.qkv.weight", axis, names("weight"));
        weights.split("h.*.qkv.bias", 0, names("bias")).transpose("*.weight", [1, 0])
    };
    let of_widths = |widths: [usize; 3]| {
        let names = parts.map(|part| ["weight", "bias"].map(|kind| format!("block.3.{part}.{kind}")));
        let arrays = names.iter().zip(widths).flat_map(|([weight, bias], width)| {
            [(weight.clone(), DType::F32, vec![3, width]), (bias.clone(), DType::F32, vec![width])]
        });
        Parameters::zeros(Layout::new(arrays).unwrap())
    };
    let mut parameters = of_widths([4, 2, 2]);
    assert!(open(&parts, 0).load_into(&mut parameters).unwrap().is_complete());
    let array = |name: &str| parameters.array::<f32>(name).unwrap().into_owned();
    assert_eq!(array("block.3.k.weight"), arr2(&[[12.0, 15.0], [13.0, 16.0], [14.0, 17.0]]).into_dyn());
    assert_eq!(array("block.3.v.bias"), arr1(&[6.0, 7.0]).into_dyn());

    let misfits = |weights: Weights, widths: [usize; 3]| {
        let mut parameters = of_widths(widths);
        let before = parameters.clone();
        let error = weights.load_into(&mut parameters).unwrap_err();
        assert_eq!(parameters, before);
        let IoError::Weights { report, .. } = error else { panic!("{error}") };
        report
    };
    let report = misfits(open(&parts, 0), [4, 2, 1]);
    let reason = r#"those in "h.3.qkv.weight" are [4, 2, 1] wide, its axis 0 is 8"#;
    assert_eq!((report.misfits.len(), report.misfits[0].1.as_str()), (6, reason));
    assert!(report.missing.is_empty() && report.loaded.is_empty());
    // Where one is not of the model, nobody knows where the others are.
    let report = misfits(open(&["q", "key", "v"], 0), [4, 2, 2]);
    let unknown = |kind: &str| (format!("h.3.qkv.{kind}"), format!("block.3.key.{kind}"));
    assert_eq!(report.unexpected.iter().collect::<std::collections::HashSet<_>>().len(), 2);
    assert!(["weight", "bias"].iter().all(|kind| report.unexpected.contains(&unknown(kind))), "{report}");
    assert_eq!(report.missing, ["block.3.k.weight", "block.3.k.bias"]);
    assert!(report.misfits.iter().all(|(_, reason)| reason.ends_with("is not known")), "{report}");
    let report = misfits(open(&parts, 2), [4, 2, 2]);
    assert_eq!(report.misfits[0].1, r#""h.3.qkv.weight" has no axis 2"#);
    // The same part twice, and a slip in the pattern.
    let report = misfits(open(&["q", "q", "v"], 0), [4, 2, 2]);
    assert!(report.misfits[0].1.contains("are both for it"), "{report}");
    let slip = open(&parts, 0).split("h.*.vkq.weight", 0, parts).load_into(&mut of_widths([4, 2, 2])).unwrap_err();
    assert!(matches!(slip, IoError::UnmatchedPattern { .. }), "{slip}");
    // Split into nothing, an array would be lost unseen.
    let nothing = open(&[], 0).lenient().load_into(&mut of_widths([4, 2, 2])).unwrap_err();
    assert!(matches!(&nothing, IoError::NoParts { pattern } if pattern == "h.*.qkv.weight"), "{nothing}");
}

/// A kernel of TensorFlow, [height, width, in, out], becomes ours, [out, in, height, width]; a vector of the same pattern stays.
#[test]
fn arrays_of_any_rank_are_transposed_by_a_permutation() {
    let folder = folder();
    let path = folder.path().join("kernel.safetensors");
    let f32s = |n: usize| (0..n).flat_map(|x| (x as f32).to_le_bytes()).collect::<Vec<u8>>();
    let (kernel, bias) =
        (("conv.weight", "F32", &[2, 3, 4, 5][..], f32s(120)), ("conv.bias", "F32", &[5][..], f32s(5)));
    std::fs::write(&path, file_of(&[kernel, bias])).unwrap();
    let mut parameters = model(&[("conv.weight", DType::F64, &[5, 4, 2, 3]), ("conv.bias", DType::F32, &[5])]);
    let open = |axes: &[usize]| Weights::open(&path).unwrap().transpose("conv.*", axes);
    assert!(open(&[3, 2, 0, 1]).load_into(&mut parameters).unwrap().is_complete());
    let kernel = parameters.array::<f64>("conv.weight").unwrap();
    let found = |[out, input, row, column]: [usize; 4]| kernel[[out, input, row, column]];
    for (place, at) in
        [([0, 0, 0, 1], 20.0), ([4, 0, 0, 0], 4.0), ([0, 3, 0, 0], 15.0), ([1, 2, 1, 2], 60.0 + 40.0 + 11.0)]
    {
        assert_eq!(found(place), at, "{place:?}");
    }
    let IoError::Weights { report, .. } = open(&[2, 3, 0, 1]).load_into(&mut parameters).unwrap_err() else { panic!() };
    assert_eq!(report.misfits[0].1, "it has shape [5, 4, 2, 3], the array [4, 5, 2, 3], transposed");
    for axes in [&[0, 1, 2, 4][..], &[3, 3, 0, 1], &[1]] {
        let error = open(axes).lenient().load_into(&mut parameters).unwrap_err();
        assert!(matches!(error, IoError::NoPermutation { .. }), "{error}");
    }
}

#[test]
fn files_with_an_index_are_one_model_and_a_bad_index_is_told() {
    let folder = folder();
    let one = file_of(&[("a", "F32", &[1], 1f32.to_le_bytes().to_vec())]);
    let two = file_of(&[("b", "F32", &[1], 2f32.to_le_bytes().to_vec())]);
    std::fs::write(folder.path().join("one.safetensors"), &one).unwrap();
    std::fs::write(folder.path().join("two.safetensors"), &two).unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    let write = |text: &str| std::fs::write(&index, text).unwrap();
    write(r#"{"metadata": {"total_size": 8}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#);
    let mut parameters = model(&[("b", DType::F32, &[1]), ("a", DType::F32, &[1])]);
    assert!(Weights::open(&index).unwrap().load_into(&mut parameters).unwrap().is_complete());
    assert_eq!(parameters.flat::<f32>().unwrap(), [2.0, 1.0]);
    for (text, reason) in [
        ("{\n  \"weight_map\": {\"a\" \"one.safetensors\"}}", "byte 23"),
        ("{}", "no object `weight_map`"),
        ("{\"weight_map\": {}}", "names no array"),
        ("{\"weight_map\": {\"a\": 1}}", "is no text"),
        ("{\"weight_map\": {\"c\": \"one.safetensors\"}}", "\"c\" is not in one.safetensors"),
        ("{\"weight_map\": {\"a\": \"../one.safetensors\"}}", "is no file beside the index"),
        ("{\"weight_map\": {\"a\": \"three.safetensors\"}}", "cannot be read"),
    ] {
        write(text);
        let error = Weights::open(&index).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

/// Every file that is cut short, and headers that lie about sizes, are errors with an offset, and take no memory that is not there.
#[test]
fn files_of_weights_are_not_believed() {
    let folder = folder();
    let path = folder.path().join("bad.safetensors");
    let good = file_of(&[("a", "F32", &[2], vec![0; 8]), ("b", "I64", &[1], vec![0; 8])]);
    for length in 0..good.len() {
        std::fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(Weights::open(&path), Err(IoError::Malformed { .. })), "{length} bytes");
    }
    let header = |array: &str| {
        let header = format!("{{\"a\":{array}}}");
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 8]].concat()
    };
    for array in [
        r#"{"dtype":"F32","shape":[2],"data_offsets":[0,16]}"#,
        r#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#,
        r#"{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#,
        r#"{"dtype":"F32","shape":[18446744073709551615,4],"data_offsets":[0,8]}"#,
        r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}"#,
        r#"{"dtype":"F33","shape":[2],"data_offsets":[0,8]}"#,
    ] {
        std::fs::write(&path, header(array)).unwrap();
        assert!(matches!(Weights::open(&path), Err(IoError::Malformed { .. })), "{array}");
    }
    std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(matches!(Weights::open(&path), Err(IoError::Malformed { offset: 0, .. })));
}
