//! The embedded digits are whole, bad bytes are refused by line and field, splits and batches lose nothing.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

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
    Dataset::new(x, (0..n as i64).collect()).unwrap()
}

fn sorted(labels: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut labels: Vec<i64> = labels.into_iter().collect();
    labels.sort_unstable();
    labels
}

#[test]
fn the_embedded_digits_are_whole() {
    let digits = digits();
    assert_eq!((digits.len(), digits.x().dim()), (1797, (1797, 64)));
    let count = |label: i64| digits.y().iter().filter(|&&found| found == label).count();
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(count), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(digits.y().iter().take(10).copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(digits.x().iter().all(|&pixel| (0.0..=1.0).contains(&pixel) && (pixel * 16.0).fract() == 0.0));
    assert_eq!(digits.x().iter().copied().fold(0.0, f32::max), 1.0);
    // Taken from the first line of the file: 0,0,5,13,9,1,0,0,…
    assert_eq!(digits.x().row(0).to_vec()[..6], [0.0, 0.0, 5.0 / 16.0, 13.0 / 16.0, 9.0 / 16.0, 1.0 / 16.0]);
}

#[test]
fn well_formed_lines_are_read() {
    let text = [line(&[(1, "16"), (65, "9")]), line(&[(64, "8")])].join("\n");
    let dataset = read_digits(gzip(text.as_bytes()).as_slice()).unwrap();
    assert_eq!(dataset.y().to_vec(), [9, 0]);
    assert_eq!((dataset.x()[[0, 0]], dataset.x()[[1, 63]], dataset.x().sum()), (1.0, 0.5, 1.5));
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
    let error = Dataset::new(Array2::zeros((3, 2)), Array1::<i64>::zeros(2)).unwrap_err();
    assert!(matches!(error, DataError::Labels { n_rows: 3, n_labels: 2 }), "{error}");
}

#[test]
fn a_split_is_a_partition_that_its_seed_decides() {
    let dataset = numbered(101);
    let split = dataset.split(0.2, 5).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (81, 20));
    let labels = split.train.y().iter().chain(split.test.y()).copied().collect::<Vec<_>>();
    assert_eq!(sorted(labels), dataset.y().to_vec());
    assert_eq!(split.train.x().column(0).mapv(|x| x as i64), split.train.y());
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

#[test]
fn an_epoch_has_every_example_once() {
    let dataset = numbered(10);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let epoch: Vec<Batch> = dataset.batches(4, &mut rng).unwrap().collect();
    let sizes: Vec<usize> = epoch.iter().map(|batch| batch.y.len()).collect();
    assert_eq!(sizes, [4, 4, 2]);
    assert!(epoch.iter().all(|batch| batch.x.column(0).mapv(|x| x as i64) == batch.y));
    let labels = |epoch: &[Batch]| epoch.iter().flat_map(|batch| batch.y.to_vec()).collect::<Vec<_>>();
    assert_eq!(sorted(labels(&epoch)), dataset.y().to_vec());
    let next: Vec<Batch> = dataset.batches(4, &mut rng).unwrap().collect();
    assert_ne!(labels(&next), labels(&epoch));
    let again: Vec<Batch> = dataset.batches(4, &mut ChaCha8Rng::seed_from_u64(3)).unwrap().collect();
    assert_eq!(again, epoch);
}

#[test]
fn batches_in_order_keep_the_order() {
    let dataset = numbered(5);
    let mut batches = dataset.batches_in_order(2).unwrap();
    assert_eq!(batches.len(), 3);
    assert_eq!(batches.next().map(|batch| batch.y.to_vec()), Some(vec![0, 1]));
    assert_eq!(batches.len(), 2);
    let rest: Vec<i64> = batches.flat_map(|batch| batch.y.to_vec()).collect();
    assert_eq!(rest, [2, 3, 4]);
    assert_eq!(numbered(0).batches_in_order(2).unwrap().count(), 0);
    assert_eq!(dataset.batches_in_order(usize::MAX).unwrap().count(), 1);
}

#[test]
fn a_batch_is_not_empty() {
    let dataset = numbered(5);
    assert!(matches!(dataset.batches_in_order(0), Err(DataError::EmptyBatch)));
    assert!(matches!(dataset.batches(0, &mut ChaCha8Rng::seed_from_u64(0)), Err(DataError::EmptyBatch)));
}
