//! Files of NumPy: what it wrote is read, what is written is what it writes, and no header is believed.

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, arr0, array};
use pullback::{
    DType, Graph, Value,
    io::{Arrays, IoError, load_npy, npy_from_bytes, npy_to_bytes, save_npy},
};

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/numpy")
}

/// The type that NumPy's becomes here.
fn dtype(descr: &str) -> DType {
    match &descr[1..] {
        "b1" => DType::Bool,
        "f2" | "f4" => DType::F32,
        "f8" => DType::F64,
        _ => DType::I64,
    }
}

/// A line of the recorded elements: file, name in it, and the array.
fn expected(line: &str) -> (&str, &str, Value) {
    let words: Vec<&str> = line.split(' ').collect();
    let [file, name, descr, shape, numbers @ ..] = words.as_slice() else { panic!("{line}") };
    let sizes: Vec<usize> = shape.split('x').filter_map(|size| size.parse().ok()).collect();
    fn of<T>(sizes: &[usize], numbers: &[&str], read: impl Fn(&str) -> T) -> ArrayD<T> {
        ArrayD::from_shape_vec(IxDyn(sizes), numbers.iter().map(|word| read(word)).collect()).expect("as many")
    }
    let value = match dtype(descr) {
        DType::Bool => Value::Bool(of(&sizes, numbers, |word| word == "True")),
        DType::F32 => Value::F32(of(&sizes, numbers, |word| word.parse::<f64>().expect("a number") as f32)),
        DType::F64 => Value::F64(of(&sizes, numbers, |word| word.parse().expect("a number"))),
        DType::I64 => Value::I64(of(&sizes, numbers, |word| word.parse().expect("a number"))),
    };
    (file, name, value)
}

#[test]
fn what_numpy_wrote_is_read() {
    let lines: Vec<&str> = include_str!("../recorded/numpy_files.txt").lines().collect();
    assert!(lines.len() > 40);
    for line in lines {
        let (file, name, want) = expected(line);
        let path = recorded().join(file);
        let found = if file.ends_with(".npy") {
            load_npy(&path).unwrap()
        } else {
            Arrays::load_npz(&path).unwrap().get(name).expect("it is there").clone()
        };
        assert_eq!(found, want, "{line}");
        // Numbers are compared by value: -0.0 is told apart by its text.
        assert_eq!(found.to_string(), want.to_string(), "{line}");
    }
}

/// The arrays of `ours()` in tests/recorded/numpy_files.py, as the results of a graph of constants.
fn ours() -> Arrays {
    let parsed = Graph::parse(include_str!("../recorded/numpy_files.graph")).unwrap();
    let outputs = parsed.graph.compile(parsed.results()).unwrap().call(()).unwrap();
    let mut arrays = Arrays::new();
    outputs.into_iter().for_each(|(name, value)| arrays.insert(name, value));
    arrays
}

#[test]
fn what_is_written_has_the_bytes_that_numpy_wrote() {
    for line in include_str!("../recorded/numpy_files.txt").lines() {
        let (file, _, value) = expected(line);
        let is_ours = |name: &str| {
            !["big_", "fortran", "version", "i1", "u1", "little_u", "little_i2", "little_i4", "little_f2"]
                .iter()
                .any(|start| name.starts_with(start))
        };
        if file.ends_with(".npy") && is_ours(file) {
            assert_eq!(npy_to_bytes(&value), std::fs::read(recorded().join(file)).unwrap(), "{file}");
        }
    }
    let bytes = ours().to_npz().unwrap();
    assert_eq!(bytes, ours().to_npz().unwrap(), "the same arrays give the same bytes");
    let numpy = std::fs::read(recorded().join("plain.npz")).unwrap();
    for (name, value) in ours().iter() {
        let entry = npy_to_bytes(value);
        let is_in = |archive: &[u8]| archive.windows(entry.len()).any(|window| window == entry);
        assert!(is_in(&bytes) && is_in(&numpy), "{name}");
    }
    let read = Arrays::from_npz("memory", &bytes).unwrap();
    assert_eq!(read, ours());
}

#[test]
fn files_are_written_whole_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    // A view of other strides is written as it is read.
    let columns = array![[1.0f64, 2.0, 3.0], [4.0, 5.0, 6.0]];
    save_npy(&path, &columns.t()).unwrap();
    assert_eq!(load_npy(&path).unwrap(), Value::from(array![[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]));
    let path = folder.path().join("x.npz");
    Arrays::new().save_npz(&path).unwrap();
    ours().save_npz(&path).unwrap();
    assert_eq!(Arrays::load_npz(&path).unwrap(), ours());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    // An array of 20,000 axes has a header of version 2.
    let many: Value = ArrayD::<f32>::ones(IxDyn(&[1; 25_000])).into();
    let bytes = npy_to_bytes(&many);
    assert_eq!((bytes[6], npy_from_bytes("memory", &bytes).unwrap()), (2, many));
}

#[test]
fn types_that_are_not_here_are_refused_by_name() {
    for (file, reason) in [
        ("refused_complex.npy", "the array is of complex numbers ('<c16')"),
        ("refused_text.npy", "the array is of texts ('<U2')"),
        ("refused_object.npy", "the array is of objects of Python ('|O')"),
        ("refused_record.npy", "the array is of records of several fields"),
        ("refused_time.npy", "the array is of times ('<M8[D]')"),
        ("refused_large.npy", "byte 136: 9223372036854775808 is more than an i64 holds"),
    ] {
        let error = load_npy(recorded().join(file)).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(reason), "{error}");
    }
    let error = Arrays::load_npz(recorded().join("refused_complex.npz")).unwrap_err();
    assert!(matches!(&error, IoError::UnknownType { name, .. } if name == "bad"), "{error}");
    assert!(error.to_string().contains(r#"the array "bad" is of complex numbers"#), "{error}");
}

#[test]
fn what_has_no_place_in_npz_is_told() {
    let mut arrays = ours();
    arrays.note("made by", "a test");
    let error = arrays.to_npz().unwrap_err().to_string();
    assert!(
        error.starts_with(r#"the text "made by" cannot be written into an npz file: there are arrays alone"#),
        "{error}"
    );
    let header = r#"{"half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
    let error = Arrays::from_bytes("memory", &bytes).unwrap().to_npz().unwrap_err().to_string();
    assert!(error.starts_with(r#"the array "half" cannot be written into an npz file: it is of f16"#), "{error}");
    let mut arrays = Arrays::new();
    arrays.insert("x".repeat(70_000), 1.0f32.into());
    assert!(matches!(arrays.to_npz(), Err(IoError::NoPlaceInNpz { .. })));
}

/// An npy file with this header and these elements.
fn with_header(header: &str, elements: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).expect("it is short").to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), elements].concat()
}

#[test]
fn headers_are_read_as_python_may_write_them() {
    let want = Value::from(arr0(1.5f32).into_dyn());
    let line = Value::from(array![1.5f32]);
    let elements = 1.5f32.to_le_bytes();
    for (header, want) in [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", &want),
        ("{\"shape\":(),\"descr\":\"<f4\",\"fortran_order\":True}", &want),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1L,)}   \n", &line),
        ("{ 'shape' : ( 1 , ) , 'fortran_order' : False , 'descr' : '<f4' , }", &line),
    ] {
        assert_eq!(&npy_from_bytes("memory", &with_header(header, &elements)).unwrap(), want, "{header}");
    }
}

#[test]
fn bytes_that_are_wrong_are_told_by_their_offset() {
    let entry = |name: &str, value: &str| {
        let entries = [("descr", "'<f4'"), ("fortran_order", "False"), ("shape", "(2,)")];
        let entries = entries.map(|(key, old)| format!("'{key}': {}", if key == name { value } else { old }));
        format!("{{{}}}", entries.join(", "))
    };
    let whole = with_header(&entry("", ""), &[0; 8]);
    for (bytes, reason) in [
        (b"PK\x03\x04".to_vec(), r"byte 0: it does not begin as npy files do, with \x93NUMPY"),
        (b"\x93NUMPY".to_vec(), "byte 6: the file ends before its version"),
        (b"\x93NUMPY\x09\x00".to_vec(), "byte 6: it is of version 9 of the format, and 1 to 3 are known"),
        (b"\x93NUMPY\x01\x00\x05".to_vec(), "byte 9: the file ends before its header"),
        (
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(),
            "byte 13: the file ends after 1 of 4294967295 bytes of its header",
        ),
        (whole[..whole.len() - 3].to_vec(), "the file ends after 5 of 8 bytes of the shape [2]"),
        ([&whole[..], &[0]].concat(), "there is more than the shape [2] has"),
        (with_header("[]", &[]), "byte 10: the header must have `{` here, not `[`"),
        (with_header("{", &[]), "byte 11: the header must have a quoted text here, not the end"),
        (with_header("{'descr", &[]), "byte 17: the header must have a closing quote here, not the end"),
        (with_header("{'a': 1}", &[]), r#"byte 11: a header has no entry "a""#),
        (with_header("{'shape': ()}", &[]), r#"the header has no entry "descr""#),
        (with_header(&entry("descr", "'<f5'"), &[]), "the array is of type '<f5'"),
        (with_header(&entry("descr", "'é'"), &[]), "the array is of type 'é'"),
        (with_header(&entry("descr", "''"), &[]), "the array is of type ''"),
        (with_header(&entry("fortran_order", "0"), &[]), "the header must have True or False here, not `0`"),
        (with_header(&entry("shape", "(-1,)"), &[]), "the header must have a size here, not `-`"),
        (with_header(&entry("shape", "(2 2)"), &[]), "the header must have `)` here, not `2`"),
        (with_header(&entry("shape", "(18446744073709551616,)"), &[]), "the header must have a size here, not `1`"),
        (with_header(&entry("shape", "(4294967296, 4294967296)"), &[]), "has more elements than can be"),
        (with_header(&entry("shape", "(4611686018427387904,)"), &[]), "has more elements than can be"),
        (with_header(&entry("shape", "(0, 9223372036854775807, 9223372036854775807)"), &[]), "is too large"),
        (with_header(&format!("{} x", entry("", "")), &[]), "the header must have the end of the header here, not `x`"),
        (with_header(&"(".repeat(60_000), &[]), "byte 10: the header must have `{` here, not `(`"),
    ] {
        let error = npy_from_bytes("x.npy", &bytes).expect_err(reason).to_string();
        assert!(error.starts_with("x.npy: ") && error.contains(reason), "{error}\n{reason}");
    }
    // A shape of a petabyte in a file of a few bytes: no memory is asked for.
    let error = npy_from_bytes("x.npy", &with_header(&entry("shape", "(281474976710656,)"), &[7; 16])).unwrap_err();
    assert!(error.to_string().contains("the file ends after 16 of 1125899906842624 bytes"), "{error}");
}

/// Archives cut anywhere, with a byte changed anywhere, or with an entry that is no array.
#[test]
fn archives_are_not_believed() {
    let error = |bytes: &[u8]| Arrays::from_npz("x.npz", bytes).unwrap_err().to_string();
    assert!(error(b"").starts_with("x.npz: byte 0: it is no npz file: "), "{}", error(b""));
    let bytes = ours().to_npz().unwrap();
    for length in 0..bytes.len() {
        assert!(matches!(Arrays::from_npz("x", &bytes[..length]), Err(IoError::Malformed { .. })), "{length} bytes");
    }
    let packed = std::fs::read(recorded().join("compressed.npz")).unwrap();
    let mut n_refused = 0;
    for whole in [bytes, packed] {
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x55;
            n_refused += usize::from(Arrays::from_npz("x", &bytes).is_err());
        }
    }
    assert!(n_refused > 1000, "{n_refused}");
    // The checksum tells a changed element.
    let mut bytes = ours().to_npz().unwrap();
    let position = bytes.windows(4).position(|window| window == (-2.25f32).to_le_bytes()).expect("it is stored");
    bytes[position] ^= 1;
    assert!(error(&bytes).contains(r#"the array "weight" cannot be unpacked: "#), "{}", error(&bytes));
}
