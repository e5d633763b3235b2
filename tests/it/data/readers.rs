//! Each reader gives what a file says, and refuses what it should by file and place.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use ndarray::{ArrayD, IxDyn, array};
use pullback::data::{
    DataError, Dataset,
    cifar::{self, Cifar},
    csv::{self, Column, Format, Header},
    idx::{self, IdxArray},
    mnist,
};

use super::{Table, bytes};

fn message<T: std::fmt::Debug>(result: Result<T, DataError>) -> String {
    result.unwrap_err().to_string()
}

/// A directory of a test, which is gone after it.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(test: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("pullback-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn idx_of_every_type_is_read() {
    let read = |element, contents: &[u8]| {
        let n = 2;
        idx::read_from("file", &bytes::idx(element, &[n, 1], contents)[..]).unwrap()
    };
    assert_eq!(read(0x08, &[1, 255]), IdxArray::U8(array![[1], [255]].into_dyn()));
    assert_eq!(read(0x09, &[1, 255]), IdxArray::I8(array![[1], [-1]].into_dyn()));
    assert_eq!(read(0x0b, &[1, 0, 0xff, 0xfe]), IdxArray::I16(array![[256], [-2]].into_dyn()));
    assert_eq!(read(0x0c, &[0, 1, 0, 0, 0x80, 0, 0, 0]), IdxArray::I32(array![[65536], [i32::MIN]].into_dyn()));
    let floats = [1.5f32, -0.1].map(f32::to_be_bytes).concat();
    assert_eq!(read(0x0d, &floats), IdxArray::F32(array![[1.5], [-0.1]].into_dyn()));
    let doubles = [1.5f64, -0.1].map(f64::to_be_bytes).concat();
    assert_eq!(read(0x0e, &doubles), IdxArray::F64(array![[1.5], [-0.1]].into_dyn()));
}

#[test]
fn idx_of_every_rank_is_read() {
    for rank in [0, 1, 2, 3, 7, 255] {
        let found = idx::read_from("file", &bytes::idx(0x08, &vec![1; rank], &[7])[..]).unwrap();
        assert_eq!(found, IdxArray::U8(ArrayD::from_elem(IxDyn(&vec![1; rank]), 7)), "{rank}");
    }
    // No elements, though the other sizes are large.
    let none = idx::read_from("file", &bytes::idx(0x08, &[1 << 31, 0, 1 << 31], &[])[..]).unwrap();
    assert_eq!(none.shape(), [1 << 31, 0, 1 << 31]);
}

#[test]
fn idx_longer_than_a_chunk_is_read_in_order() {
    let numbers: Vec<i32> = (0..100_003).map(|i| i * 21_401).collect();
    let contents: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    let file = bytes::idx(0x0c, &[numbers.len() as u32], &contents);
    let want = IdxArray::I32(ArrayD::from_shape_vec(IxDyn(&[numbers.len()]), numbers).unwrap());
    assert_eq!(idx::read_from("plain", &file[..]).unwrap(), want);
    assert_eq!(idx::read_from("gzip", &bytes::gzip(&file)[..]).unwrap(), want);
    // Two members, the first of which ends within the elements.
    let (first, second) = file.split_at(200_001);
    let members = [bytes::gzip(first), bytes::gzip(second)].concat();
    assert_eq!(idx::read_from("members", &members[..]).unwrap(), want);
}

#[test]
fn malformed_idx_is_refused() {
    let read = |bytes: &[u8]| message(idx::read_from("f", bytes));
    let whole = bytes::idx(0x0b, &[2, 1], &[1, 2, 3, 4]);
    let changed = |offset: usize, byte| {
        let mut bytes = whole.clone();
        bytes[offset] = byte;
        read(&bytes)
    };
    assert_eq!(read(&[]), "f, byte 0: the file ends, but should have 4 bytes or more");
    assert_eq!(read(&whole[..10]), "f, byte 10: the file ends, but should have 12 bytes or more");
    assert_eq!(read(&whole[..15]), "f, byte 15: the file ends, but should have 16 bytes or more");
    assert_eq!(read(&[&whole[..], &[0]].concat()), "f, byte 16: the file should end, but goes on");
    assert_eq!(changed(0, 1), "f, byte 0: the byte is 1, but must be 0");
    assert_eq!(changed(1, 9), "f, byte 1: the byte is 9, but must be 0");
    assert_eq!(
        changed(2, 0x0a),
        "f, byte 2: the type of the elements is 0x0a, but must be 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e"
    );
    assert_eq!(changed(3, 3), "f, byte 16: the file ends, but should have 67636256 bytes or more");
    assert_eq!(changed(4, 0x80), "f, byte 16: the file ends, but should have 4294967312 bytes or more");
    let large = bytes::idx(0x08, &[u32::MAX, u32::MAX, u32::MAX], &[]);
    assert_eq!(read(&large), "f, byte 8: the sizes up to this one, 4294967295, make more bytes than can be addressed");
}

#[test]
fn malformed_gzip_is_refused() {
    let file = bytes::idx(0x08, &[1000], &[3; 1000]);
    let gzip = bytes::gzip(&file);
    let read = |bytes: &[u8]| message(idx::read_from("f.gz", bytes));
    let unreadable = |bytes: &[u8]| {
        let text = read(bytes);
        assert!(text.ends_with("after decompression: cannot be read further"), "{text}");
    };
    unreadable(&gzip[..gzip.len() - 1]);
    unreadable(&gzip[..12]);
    unreadable(&[&gzip[..], b"junk"].concat());
    let mut checksum = gzip.clone();
    let position = gzip.len() - 8;
    checksum[position] ^= 1;
    unreadable(&checksum);
    let longer = bytes::gzip(&[&file[..], &[0]].concat());
    assert_eq!(read(&longer), "f.gz, byte 1008 after decompression: the file should end, but goes on");
    let shorter = bytes::gzip(&file[..1007]);
    assert_eq!(
        read(&shorter),
        "f.gz, byte 1007 after decompression: the file ends, but should have 1008 bytes or more"
    );
}

/// A reader that fails says where, and why.
#[test]
fn a_broken_disk_is_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is broken"))
        }
    }
    let start = bytes::idx(0x08, &[100], &[1; 20]);
    let errors = [
        idx::read_from("f", start.chain(Broken)).unwrap_err(),
        cifar::read_from("f", [1; 28].chain(Broken), Cifar::Ten).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "f, byte 28: cannot be read further");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is broken");
    }
    let error = csv::read_from::<i64>("f", b"a,b\n1,2\n".chain(Broken), &Format::with_target("b")).unwrap_err();
    assert_eq!(error.to_string(), "f, byte 8: cannot be read further");
}

#[test]
fn mnist_is_read_from_plain_and_gzip_files() {
    let directory = Directory::new("mnist");
    directory.write("train-images-idx3-ubyte", &bytes::images(3));
    directory.write("train-labels-idx1-ubyte.gz", &bytes::gzip(&bytes::labels(3)));
    directory.write("t10k-images-idx3-ubyte.gz", &bytes::gzip(&bytes::images(2)));
    let absent = message(mnist::read(&directory.0));
    directory.write("t10k-labels-idx1-ubyte", &bytes::labels(2));
    // The plain one is read where there are both.
    directory.write("t10k-labels-idx1-ubyte.gz", b"not read");
    let split = mnist::read(&directory.0).unwrap();

    let place = directory.0.display();
    assert_eq!(absent, format!("{place}: holds no file `t10k-labels-idx1-ubyte` or `t10k-labels-idx1-ubyte.gz`"));
    assert_eq!((split.train.x().dim(), split.test.x().dim()), ((3, 784), (2, 784)));
    assert_eq!((split.train.label().to_vec(), split.test.label().to_vec()), (vec![0, 1, 2], vec![0, 1]));
    assert_eq!(split.train.x()[[1, 3]], ((784 + 3) * 7 % 251) as f32 / 255.0);
}

#[test]
fn mnist_that_does_not_fit_is_refused() {
    let read = |images: &[u8], labels: &[u8]| message(mnist::read_from(("i", images), ("l", labels)));
    let (images, labels) = (bytes::images(2), bytes::labels(2));
    let of = |shape: &[u32]| bytes::idx(8, shape, &[]);
    let cases = [
        (read(&of(&[2, 28, 27]), &labels), "i, byte 12: the number of columns is 27, but must be 28"),
        (read(&of(&[2, 29, 28]), &labels), "i, byte 8: the number of rows is 29, but must be 28"),
        (read(&labels, &labels), "i, byte 3: the number of axes is 1, but must be 3"),
        (read(&images, &images), "l, byte 3: the number of axes is 3, but must be 1"),
        (read(&bytes::idx(9, &[2, 28, 28], &[]), &labels), "i, byte 2: the type of the elements is 9, but must be 8"),
        (read(&images, &bytes::labels(3)), "l, byte 4: the number of labels is 3, but must be 2"),
        (read(&images, &bytes::idx(8, &[2], &[9, 10])), "l, byte 9: the label is 10, but must be in 0..=9"),
        (read(&images, &labels[..9]), "l, byte 9: the file ends, but should have 10 bytes or more"),
        (read(&images[..99], &labels), "i, byte 99: the file ends, but should have 1584 bytes or more"),
    ];
    for (found, want) in cases {
        assert_eq!(found, want);
    }
}

#[test]
fn cifar_is_read() {
    let ten = cifar::read_from("f", &bytes::cifar(3, 1)[..], Cifar::Ten).unwrap();
    assert_eq!((ten.x().dim(), ten.label().to_vec()), ((3, 3072), vec![0, 1, 2]));
    assert_eq!(ten.x()[[2, 40]], (200 ^ 2) as f32 / 255.0);
    let hundred = bytes::cifar(3, 2);
    let labels = |kind| cifar::read_from("f", &hundred[..], kind).unwrap().label().to_vec();
    assert_eq!((labels(Cifar::HundredCoarse), labels(Cifar::HundredFine)), (vec![0, 1, 2], vec![1, 2, 3]));
    assert!(cifar::read_from("f", &[][..], Cifar::Ten).unwrap().is_empty());
    let directory = Directory::new("cifar");
    let path = directory.write("batch.bin", &bytes::cifar(3, 1));
    assert_eq!(cifar::read_file(path, Cifar::Ten).unwrap(), ten);
    let absent = message(cifar::read(&directory.0, Cifar::Ten));
    assert_eq!(absent, format!("{}: holds no file `data_batch_1.bin`", directory.0.display()));
}

#[test]
fn malformed_cifar_is_refused() {
    let read = |bytes: &[u8], kind| message(cifar::read_from("f", bytes, kind));
    let (ten, hundred) = (bytes::cifar(2, 1), bytes::cifar(2, 2));
    let truncated = "f, byte 6145: the file ends, but should have 6146 bytes or more";
    assert_eq!(read(&ten[..6145], Cifar::Ten), truncated);
    assert_eq!(read(&hundred[..1], Cifar::HundredFine), "f, byte 1: the file ends, but should have 3074 bytes or more");
    let mut wrong = hundred.clone();
    wrong[3075] = 100;
    assert_eq!(read(&wrong, Cifar::HundredCoarse), "f, byte 3075: the fine label is 100, but must be in 0..=99");
    wrong[3074] = 20;
    assert_eq!(read(&wrong, Cifar::HundredFine), "f, byte 3074: the coarse label is 20, but must be in 0..=19");
    assert_eq!(read(&bytes::gzip(&ten), Cifar::Ten), "f, byte 0: the label is 31, but must be in 0..=9");
}

#[test]
fn csv_is_read() {
    let text = "\u{feff}a, label ,b\r\n 1.5,2,\"-3\"\r\n\r\n1e-3, -4 ,+5";
    let of = |target: Column| Format { target, ..Format::with_target(0) };
    let read = |target| csv::read_from::<f32>("f", text.as_bytes(), &of(target)).unwrap();
    let (x, y) = (array![[1.5f32, -3.0], [1e-3, 5.0]], array![2.0f32, -4.0]);
    let want = Dataset::new().column("x", x.clone()).unwrap().column("y", y).unwrap();
    assert_eq!(read(Column::from("label")), want);
    assert_eq!(read(Column::from(1)), want);
    assert_eq!(read(Column::Last).y(), array![-3.0, 5.0]);
    let labels = csv::read_from::<i64>("f", text.as_bytes(), &Format::with_target("label")).unwrap();
    assert_eq!((labels.x(), labels.label()), (x.view(), array![2, -4].view()));

    let plain = Format { header: Header::Absent, delimiter: b';', ..Format::with_target(0) };
    let rows = csv::read_from::<i64>("f", &b"1;2\n3;4\n"[..], &plain).unwrap();
    assert_eq!((rows.x(), rows.label()), (array![[2.0], [4.0]].view(), array![1, 3].view()));
    let none = csv::read_from::<i64>("f", &b"a,b,c\n"[..], &Format::with_target("a")).unwrap();
    assert_eq!(none.x().dim(), (0, 2));

    let directory = Directory::new("csv");
    let path = directory.write("table.csv", b"1;2\n3;4\n");
    assert_eq!(csv::read::<i64>(&path, &plain).unwrap(), rows);
    assert_eq!(message(csv::read::<i64>(Path::new("/nowhere/at all"), &plain)), "/nowhere/at all: cannot be opened");
}

#[test]
fn malformed_csv_is_refused() {
    let read =
        |text: &str, target: &str| message(csv::read_from::<i64>("f", text.as_bytes(), &Format::with_target(target)));
    let long = format!("a,b\n1,{}\n", "x".repeat(1000));
    let cases = [
        (read("", "a"), "f, byte 0: the file ends, but should have 1 bytes or more".to_owned()),
        (read("a,b\n1,2\n", "c"), "f: 0 columns are named `c`, but one must be".to_owned()),
        (read("a,a\n1,2\n", "a"), "f: 2 columns are named `a`, but one must be".to_owned()),
        (read("a,b\n1,2\n1\n", "a"), "f, byte 8, line 3: expected 2 cells, found 1".to_owned()),
        (read("a,b\n1,2\n\n1,2,3\n", "a"), "f, byte 9, line 4: expected 2 cells, found 3".to_owned()),
        (
            read("\r\n\na,b\r\n1,2\r\n\r\n\r\n3,x\r\n", "a"),
            "f, byte 17, line 7, column 2: `x` is not a finite number".to_owned(),
        ),
        (
            read("a,\"b\n\n\"\n1,\"2\n\"\n3,x\n", "a"),
            "f, byte 15, line 6, column 2: `x` is not a finite number".to_owned(),
        ),
        (read("a,b\n1, \n", "a"), "f, byte 4, line 2, column 2: the cell is empty".to_owned()),
        (read("a,b\n,2\n", "a"), "f, byte 4, line 2, column 1: the cell is empty".to_owned()),
        (read("a,b\n1,two\n", "a"), "f, byte 4, line 2, column 2: `two` is not a finite number".to_owned()),
        (read("a,b\n1,NaN\n", "a"), "f, byte 4, line 2, column 2: `NaN` is not a finite number".to_owned()),
        (read("a,b\n1,1e39\n", "a"), "f, byte 4, line 2, column 2: `1e39` is not a finite number".to_owned()),
        (read("a,b\n1.0,2\n", "a"), "f, byte 4, line 2, column 1: `1.0` is not an integer".to_owned()),
        (read(&long, "a"), format!("f, byte 4, line 2, column 2: `{}` is not a finite number", "x".repeat(40))),
    ];
    for (found, want) in cases {
        assert_eq!(found, want);
    }
    let absent = Format { header: Header::Absent, ..Format::with_target("a") };
    let read = |format: &Format| message(csv::read_from::<f32>("f", &b"1,2\n3,inf\n"[..], format));
    assert_eq!(read(&absent), "f: column `a` was asked for, but there is no header");
    let beyond = Format { target: Column::Index(2), ..absent.clone() };
    assert_eq!(read(&beyond), "f: there is no column 2 (counted from 0), since there are 2");
    let last = Format { target: Column::Last, ..absent };
    assert_eq!(read(&last), "f, byte 4, line 2, column 2: `inf` is not a finite number");
}
