//! The embedded digits are whole, bad bytes are refused by line and field, splits and batches lose nothing.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// 64 pixels and a label, all as given in the fields that `changes` names (counted from 1), else 0.
fn line(changes: &[(usize, &str)]) -> String {
    let mut fields = ["0"; 65];
    for &(field, text) in changes {
        fields[field - 1] = text;
    }
    fields.join(",")
}

fn refusal(lines: &[String]) -> DataError {
    read_digits(gzip(lines.join("\n").as_bytes()).as_slice()).unwrap_err()
}

/// `n` examples whose only feature is their position, which is their label too.
fn numbered(n: usize) -> Dataset {
    let x = Array2::from_shape_fn((n, 1), |(row, _)| row as f32);
    Dataset::of_rows(x, (0..n as i64).collect()).unwrap()
}

fn x(dataset: &Dataset) -> ArrayView2<'_, f32> {
    dataset.array("x").unwrap()
}

fn labels(dataset: &Dataset) -> ArrayView1<'_, i64> {
    dataset.array("label").unwrap()
}

fn sorted(labels: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut labels: Vec<i64> = labels.into_iter().collect();
    labels.sort_unstable();
    labels
}

#[test]
fn the_embedded_digits_are_whole() {
    let digits = digits();
    assert_eq!((digits.len(), x(&digits).dim()), (1797, (1797, 64)));
    let count = |label: i64| labels(&digits).iter().filter(|&&found| found == label).count();
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(count), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(labels(&digits).iter().take(10).copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(x(&digits).iter().all(|&pixel| (0.0..=1.0).contains(&pixel) && (pixel * 16.0).fract() == 0.0));
    assert_eq!(x(&digits).iter().copied().fold(0.0, f32::max), 1.0);
    // Taken from the first line of the file: 0,0,5,13,9,1,0,0,…
    assert_eq!(x(&digits).row(0).to_vec()[..6], [0.0, 0.0, 5.0 / 16.0, 13.0 / 16.0, 9.0 / 16.0, 1.0 / 16.0]);
}

#[test]
fn well_formed_lines_are_read() {
    let text = [line(&[(1, "16"), (65, "9")]), line(&[(64, "8")])].join("\n");
    let dataset = read_digits(gzip(text.as_bytes()).as_slice()).unwrap();
    assert_eq!(labels(&dataset).to_vec(), [9, 0]);
    assert_eq!((x(&dataset)[[0, 0]], x(&dataset)[[1, 63]], x(&dataset).sum()), (1.0, 0.5, 1.5));
    assert!(read_digits(gzip(b"").as_slice()).unwrap().is_empty());
}

#[test]
fn malformed_lines_are_refused_by_line_and_field() {
    let good = || line(&[]);
    let cases = [
        (vec!["1,2,3".to_owned()], "line 1: expected 65 fields, found 3"),
        (vec![good(), good() + ",0"], "line 2: expected 65 fields, found 66"),
        (vec![good(), line(&[(7, "x")])], "line 2, field 7: `x` is not an integer"),
        (vec![line(&[(65, "")])], "line 1, field 65: `` is not an integer"),
        (vec![line(&[(1, "1.5")])], "line 1, field 1: `1.5` is not an integer"),
        (vec![good(), good(), line(&[(64, "17")])], "line 3, field 64: 17 is not in 0..=16"),
        (vec![line(&[(2, "-1")])], "line 1, field 2: -1 is not in 0..=16"),
        (vec![line(&[(65, "10")])], "line 1, field 65: 10 is not in 0..=9"),
    ];
    for (lines, message) in cases {
        assert_eq!(refusal(&lines).to_string(), message);
    }
    let not_utf8 = read_digits(gzip(&[0xff; 65]).as_slice()).unwrap_err();
    assert!(matches!(not_utf8, DataError::Fields { line: 1, .. }), "{not_utf8}");
}

#[test]
fn bytes_that_are_no_gzip_or_end_early_are_refused() {
    let whole = gzip([line(&[]), line(&[])].join("\n").as_bytes());
    let truncated = &whole[..whole.len() - 4];
    for bytes in [truncated, &whole[..5], b"", b"0,0,0,0,0,0,0,0,0,0"] {
        let error = read_digits(bytes).unwrap_err();
        assert!(matches!(error, DataError::Read { .. }), "{error}");
    }
}

#[test]
fn labels_must_be_as_many_as_rows() {
    let error = Dataset::of_rows(Array2::zeros((3, 2)), vec![0i64; 2]).unwrap_err();
    assert!(matches!(error, DataError::ColumnLength { found: 2, expected: 3, .. }), "{error}");
}

#[test]
fn a_split_is_a_partition_that_its_seed_decides() {
    let dataset = numbered(101);
    let split = dataset.split(0.2, 5).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (81, 20));
    let both = labels(&split.train).iter().chain(labels(&split.test)).copied().collect::<Vec<_>>();
    assert_eq!(sorted(both), labels(&dataset).to_vec());
    assert_eq!(x(&split.train).column(0).mapv(|x| x as i64), labels(&split.train));
    assert_eq!(dataset.split(0.2, 5).unwrap(), split);
    assert_ne!(dataset.split(0.2, 6).unwrap(), split);
}

#[test]
fn a_fraction_is_in_0_to_1() {
    let dataset = numbered(10);
    for (fraction, n_test) in [(0.0, 0), (0.04, 0), (0.05, 1), (0.5, 5), (1.0, 10)] {
        assert_eq!(dataset.split(fraction, 0).unwrap().test.len(), n_test, "{fraction}");
    }
    for fraction in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(dataset.split(fraction, 0), Err(DataError::Fraction { .. })), "{fraction}");
    }
}
