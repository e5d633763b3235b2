//! Files that are read row by row: as the readers in memory read them, in every type, on several threads, and told by file and byte
//! where they are cut short.

use std::{fs, thread};

use ndarray::{Array1, ArrayD, Ix1, Ix2};
use pullback::{
    Value,
    data::{
        Batching, DataError, Source, Windows,
        cifar::{self, Cifar},
        files::{FileColumn, FileSource, Stored},
        idx, mnist,
    },
};

use super::{Table, bytes, readers::Directory};
use crate::allocation::peak;

#[test]
fn rows_of_a_file_are_those_that_the_reader_in_memory_gives() {
    let directory = Directory::new("files");
    let path = directory.write("cifar.bin", &bytes::cifar(9, 1));
    let columns = [
        FileColumn::new("label", &path, Stored::U8, ()).every(3073),
        FileColumn::new("x", &path, Stored::U8, (3072,)).starting_at(1).every(3073).over(255.0),
    ];
    let source = FileSource::open(columns).unwrap();
    let whole = cifar::read_file(&path, Cifar::Ten).unwrap();
    for rows in [vec![], vec![8], vec![0, 1, 2, 3, 4, 5, 6, 7, 8], vec![3, 4, 5, 5, 4, 0, 1, 8]] {
        let batch = source.batch(&rows, 0).unwrap();
        let expected = whole.select(&rows).unwrap();
        assert_eq!(batch.array::<f32, Ix2>("x").unwrap(), expected.x(), "{rows:?}");
        assert_eq!(batch.array::<i64, Ix1>("label").unwrap(), expected.label(), "{rows:?}");
    }
    let (images, labels) = (directory.write("images", &bytes::images(5)), directory.write("labels", &bytes::labels(5)));
    let columns = [idx::column("x", &images).unwrap().over(255.0), idx::column("label", &labels).unwrap()];
    let source = FileSource::open(columns).unwrap();
    let read = (&bytes::images(5)[..], &bytes::labels(5)[..]);
    let whole = mnist::read_from(("images", read.0), ("labels", read.1)).unwrap();
    assert_eq!(source.columns()[0].to_string(), "x (f32[28, 28] an example)");
    let batch = source.batch(&[4, 2], 0).unwrap();
    let x = batch["x"].array::<f32>().unwrap().clone().into_shape_with_order((2, 784)).unwrap();
    let expected = whole.select(&[4, 2]).unwrap();
    assert_eq!((x.view(), batch.array::<i64, Ix1>("label").unwrap()), (expected.x(), expected.label()));
}

#[test]
#[allow(clippy::unnecessary_cast, reason = "the macro casts from and to every type")]
fn numbers_of_every_type_and_byte_order_are_read() {
    let directory = Directory::new("types");
    let numbers = [-2.5e4f64, -3.0, -1.0, 0.0, 1.0, 127.0, 3e4];
    macro_rules! check {
        ($($stored:ident $type:ty => $read:ty),*) => {$(
            let stored: Vec<$type> = numbers.iter().map(|number| *number as $type).collect();
            let little: Vec<u8> = stored.iter().flat_map(|number| number.to_le_bytes()).collect();
            let big: Vec<u8> = stored.iter().flat_map(|number| number.to_be_bytes()).collect();
            let expected: Value = stored.iter().map(|number| *number as $read).collect::<Array1<$read>>().into();
            let divided = stored.iter().map(|number| *number as f64 as f32 / 3.0).collect::<Array1<f32>>();
            let all: Vec<usize> = (0..numbers.len()).collect();
            for (bytes, is_big) in [(little, false), (big, true)] {
                let path = directory.write("numbers", &bytes);
                let column = || {
                    let column = FileColumn::new("x", &path, Stored::$stored, ());
                    if is_big { column.big_endian() } else { column }
                };
                let read = |column| FileSource::open([column]).unwrap().batch(&all, 0).unwrap()["x"].clone();
                assert_eq!(read(column()), expected, stringify!($stored));
                assert_eq!(read(column().over(3.0)), divided.clone().into(), stringify!($stored));
            }
        )*};
    }
    check!(U8 u8 => i64, I8 i8 => i64, U16 u16 => i64, I16 i16 => i64, U32 u32 => i64, I32 i32 => i64, I64 i64 => i64);
    check!(F32 f32 => f32, F64 f64 => f64);
    let path = directory.write("truth", &[0, 1, 1, 0, 2, 0]);
    let source = FileSource::open([FileColumn::new("mask", &path, Stored::Bool, (2,))]).unwrap();
    let expected = ArrayD::from_shape_vec(vec![2, 2], vec![true, false, false, true]).unwrap();
    assert_eq!(source.batch(&[1, 0], 0).unwrap()["mask"], expected.into());
    let error = source.batch(&[0, 2], 0).unwrap_err().to_string();
    assert_eq!(error, format!("{}, byte 4: the truth value is 2, but must be in 0..=1", path.display()));
}

/// At every length: told when it is opened, or, where the file was cut later, when the row is read.
#[test]
fn a_file_that_is_cut_short_is_told_by_file_and_byte() {
    let directory = Directory::new("cut");
    let whole: Vec<u8> = (0..40).collect();
    let path = directory.write("records", &whole);
    let column = || FileColumn::new("x", &path, Stored::U16, (3,)).starting_at(4).every(9);
    for length in 0..=40u64 {
        fs::write(&path, &whole[..length as usize]).unwrap();
        // Records at 4, 13, 22 and 31, each of 6 bytes.
        let last = [4, 13, 22, 31].into_iter().rfind(|start| *start < length);
        let opened = FileSource::open([column()]);
        match last {
            Some(start) if length < start + 6 => {
                let expected = format!(
                    "{}, byte {length}: the file ends, but should have {} bytes or more",
                    path.display(),
                    start + 6
                );
                assert_eq!(opened.unwrap_err().to_string(), expected);
            }
            _ => assert_eq!(opened.unwrap().n_examples(), Some(last.map_or(0, |start| (start as usize - 4) / 9 + 1))),
        }
    }
    fs::write(&path, &whole).unwrap();
    let source = FileSource::open([column()]).unwrap();
    fs::write(&path, &whole[..25]).unwrap();
    assert_eq!(source.batch(&[1], 0).unwrap().len(), 1);
    let error = source.batch(&[0, 1, 2, 3], 0).unwrap_err();
    assert_eq!(error.place().map(|place| place.offset), Some(25));
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    // An IDX file says how long it should be.
    for (bytes, expected) in [
        (bytes::idx(8, &[3, 2], &[0; 4]), "byte 16: the file ends, but should have 18 bytes or more"),
        (bytes::idx(8, &[3, 2], &[0; 8]), "byte 18: the file should end, but goes on"),
        (bytes::idx(8, &[], &[0]), "byte 3: the number of axes is 0, but must be in 1..=255"),
    ] {
        let path = directory.write("idx", &bytes);
        let error = idx::column("x", &path).unwrap_err().to_string();
        assert_eq!(error, format!("{}, {expected}", path.display()));
    }
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    let directory = Directory::new("columns");
    let path = directory.write("bytes", &[1; 12]);
    let new = |name: &str| FileColumn::new(name, &path, Stored::U8, (3,));
    let message = |columns: Vec<FileColumn>| FileSource::open(columns).unwrap_err().to_string();
    assert_eq!(message(vec![new("x"), new("x")]), "two columns are named `x`");
    let other = FileColumn::new("y", &path, Stored::U8, (4,));
    assert_eq!(message(vec![new("x"), other]), "column `y` has 3 examples, but `x` has 4");
    assert_eq!(
        message(vec![new("x").every(2)]),
        "the distance of examples in a file is 2, but must be at least their size"
    );
    assert_eq!(message(vec![new("x").over(0.0)]), "the divisor of a column is 0, but must be finite and not 0");
    for shape in [pullback::Shape::from((0, 2)), ("n",).into(), (1i64 << 40, 1i64 << 40).into()] {
        let column = FileColumn::new("x", &path, Stored::F64, shape);
        assert!(matches!(FileSource::open([column]), Err(DataError::ColumnShape { .. })));
    }
    assert!(message(vec![FileColumn::new("x", "/nowhere", Stored::U8, ())]).contains("cannot be opened"));
    let empty = FileSource::open([new("x").starting_at(u64::MAX)]).unwrap();
    assert_eq!(empty.n_examples(), Some(0));
}

/// A file of 8 MB is gone through with what a batch takes, in order or at random, by several threads.
#[test]
fn a_file_is_not_held_in_memory() {
    let directory = Directory::new("large");
    let n = 4_000_000u64;
    let contents: Vec<u8> = (0..n).flat_map(|i| ((i * 7919) as u16).to_le_bytes()).collect();
    let path = directory.write("tokens", &contents);
    drop(contents);
    let tokens = FileSource::open([FileColumn::new("token", &path, Stored::U16, ())]).unwrap();
    let windows = Windows::new(&tokens, "token", 64).unwrap();
    assert_eq!(windows.n_examples(), Some((n as usize - 1) / 64));
    let check = |batching: Batching| {
        let (_, held) = peak(|| {
            for batch in batching.epoch(&windows, 0, 0).unwrap().take(200).map(Result::unwrap) {
                let x: ndarray::ArrayView2<i64> = batch.array("x").unwrap();
                for (row, window) in x.rows().into_iter().zip(batch.rows()) {
                    let expected = (*window as u64 * 64..).map(|i| i64::from((i * 7919) as u16));
                    assert!(row.iter().copied().eq(expected.take(64)));
                }
            }
        });
        // The order of 62,500 windows as numbers of 8 bytes, once or twice, and a batch.
        assert!(held < 2_000_000, "{batching}: {held}");
    };
    thread::scope(|scope| {
        for batching in [Batching::new(16), Batching::new(16).in_order(), Batching::new(16).continued()] {
            scope.spawn(move || check(batching));
        }
    });
}
