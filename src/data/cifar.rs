//! CIFAR-10 and CIFAR-100 in their binary versions. In: the unpacked files of a directory, or the bytes of one. Out: a
//! [`Split`], or one file's examples. It unpacks no archive and decompresses nothing.

use std::{io::Read, path::Path};

use ndarray::Array2;

use super::{DataError, Dataset, Split, byte_source::ByteSource};

/// Three planes of 32×32.
const N_PIXELS: usize = 3 * 32 * 32;

/// Which of the two sets, and which of its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cifar {
    /// CIFAR-10: ten classes.
    Ten,
    /// CIFAR-100 by its hundred classes.
    HundredFine,
    /// CIFAR-100 by its twenty superclasses.
    HundredCoarse,
}

/// Reads all files of a set from a directory: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` of CIFAR-10,
/// `train.bin` and `test.bin` of CIFAR-100.
///
/// # Shapes
/// `x`: `f32[n, 3072]`, three planes (red, green, blue) of 32×32 pixels, rows from the top: as images by
/// [`Dataset::reshape`] to `(3, 32, 32)`; `label`: `i64[n]`. n is 50,000 and 10,000.
///
/// # Units
/// A pixel is its byte over 255, from 0 to 1.
///
/// # Errors
/// A file is absent, cannot be read, has not the number of examples that the set has in it, or a label beyond its
/// classes.
///
/// # Complexity
/// A number takes four bytes instead of one, and three times the result may be held for a moment while it grows.
///
/// # Source
/// Krizhevsky, *Learning multiple layers of features from tiny images*, 2009; its web page, "Binary version".
///
/// # Example
/// ```no_run
/// use pullback::data::cifar::{self, Cifar};
/// let cifar = cifar::read("cifar-10-batches-bin", Cifar::Ten)?;
/// assert_eq!((cifar.train.len(), cifar.test.len()), (50_000, 10_000));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn read(directory: impl AsRef<Path>, kind: Cifar) -> Result<Split, DataError> {
    let (train, test): (&[&str], _) = match kind {
        Cifar::Ten => (
            &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
            "test_batch.bin",
        ),
        Cifar::HundredFine | Cifar::HundredCoarse => (&["train.bin"], "test.bin"),
    };
    let n_train = 50_000 / train.len();
    let directory = directory.as_ref();
    Ok(Split {
        train: read_files(directory, train, kind, n_train)?,
        test: read_files(directory, &[test], kind, 10_000)?,
    })
}

/// Reads one file, of any number of examples.
///
/// # Errors
/// The file cannot be opened or read, does not end with an example's last byte, or a label is beyond the classes.
pub fn read_file(path: impl AsRef<Path>, kind: Cifar) -> Result<Dataset, DataError> {
    let mut examples = Examples::default();
    examples.append(&mut ByteSource::open_plain(path.as_ref())?, kind, None)?;
    Ok(examples.finish())
}

/// [`read_file`] from anything that gives bytes. `name` stands for the path in errors.
///
/// # Errors
/// As for [`read_file`].
///
/// # Example
/// ```
/// use ndarray::{Ix1, array};
/// use pullback::data::cifar::{self, Cifar};
/// let bytes = [&[11, 47], [255; 3072].as_slice()].concat();
/// let (fine, coarse) = (Cifar::HundredFine, Cifar::HundredCoarse);
/// assert_eq!(cifar::read_from("one", &bytes[..], fine)?.array::<i64, Ix1>("label")?, array![47]);
/// assert_eq!(cifar::read_from("one", &bytes[..], coarse)?.array::<i64, Ix1>("label")?, array![11]);
/// let error = cifar::read_from("one", &bytes[..], Cifar::Ten).unwrap_err();
/// assert_eq!(error.to_string(), "one, byte 0: the label is 11, but must be in 0..=9");
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn read_from(name: &str, bytes: impl Read, kind: Cifar) -> Result<Dataset, DataError> {
    let mut examples = Examples::default();
    examples.append(&mut ByteSource::plain(name, bytes), kind, None)?;
    Ok(examples.finish())
}

impl Cifar {
    /// The labels before the pixels: what they are, and the greatest there is.
    fn labels(self) -> &'static [(&'static str, u64)] {
        match self {
            Cifar::Ten => &[("the label", 9)],
            Cifar::HundredFine | Cifar::HundredCoarse => &[("the coarse label", 19), ("the fine label", 99)],
        }
    }

    /// Which of the labels is meant.
    fn position(self) -> usize {
        match self {
            Cifar::Ten | Cifar::HundredCoarse => 0,
            Cifar::HundredFine => 1,
        }
    }
}

/// The files of one part, each of `n_each` examples.
fn read_files(directory: &Path, names: &[&str], kind: Cifar, n_each: usize) -> Result<Dataset, DataError> {
    let mut examples = Examples::default();
    for name in names {
        let path = directory.join(name);
        if !path.is_file() {
            let directory = directory.display().to_string();
            return Err(DataError::Absent { directory, names: vec![(*name).to_owned()] });
        }
        examples.append(&mut ByteSource::open_plain(&path)?, kind, Some(n_each))?;
    }
    Ok(examples.finish())
}

/// What was read so far.
#[derive(Default)]
struct Examples {
    pixels: Vec<f32>,
    labels: Vec<i64>,
}

impl Examples {
    /// Appends all examples of a file: `n_expected`, or as many as there are.
    fn append<R: Read>(
        &mut self,
        source: &mut ByteSource<R>,
        kind: Cifar,
        n_expected: Option<usize>,
    ) -> Result<(), DataError> {
        let labels = kind.labels();
        let mut record = vec![0; labels.len() + N_PIXELS];
        let mut n_read = 0;
        while n_expected != Some(n_read) {
            let start = source.place().offset;
            let n_bytes = source.fill(&mut record)?;
            // The labels come first, and wrong ones say more about what a file is than its length does.
            for ((offset, (what, max)), label) in (start..).zip(labels).zip(&record[..n_bytes]) {
                source.check_number(offset, what, 0..=*max, u64::from(*label))?;
            }
            let is_end = n_bytes == 0 && n_expected.is_none();
            if is_end {
                return Ok(());
            }
            if n_bytes < record.len() {
                let n_records = n_expected.unwrap_or(n_read + 1) as u64;
                let expected = n_records * record.len() as u64;
                return Err(DataError::Truncated { place: source.place(), expected });
            }
            self.labels.push(i64::from(record[kind.position()]));
            self.pixels.extend(record[labels.len()..].iter().map(|pixel| f32::from(*pixel) / 255.0));
            n_read += 1;
        }
        source.check_end()
    }

    fn finish(self) -> Dataset {
        let x = Array2::from_shape_vec((self.labels.len(), N_PIXELS), self.pixels);
        let x = x.expect("invariant: so many pixels for each label");
        Dataset::of_rows(x, self.labels).expect("invariant: one label for each row")
    }
}

#[cfg(test)]
mod tests;
