//! MNIST and the sets that are distributed in its form, as Fashion-MNIST. In: the four files of a directory, or the bytes
//! of two. Out: a [`Split`], or one part. It downloads nothing, and does not know what a class is called.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use ndarray::Array2;

use super::{DataError, Dataset, Split, byte_source::ByteSource, idx::IdxHeader};

const SIDE: usize = 28;
const MAX_LABEL: u64 = 9;

/// Reads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k` from a directory, each either plain
/// or with `.gz` added; plain if there are both.
///
/// # Shapes
/// `x`: `f32[n, 784]`, rows of 28×28 pixels from the top: as images by [`Dataset::reshape`] to `(1, 28, 28)`; `label`: `i64[n]`. The
/// training part of MNIST and Fashion-MNIST has 60,000 examples, the test part 10,000; any number is read.
///
/// # Units
/// A pixel is its byte over 255, from 0 to 1. A label is from 0 to 9.
///
/// # Errors
/// A file is absent, is no IDX file of bytes (see [`idx::read`](super::idx::read)), has other sizes than 28×28, labels
/// beyond 9, or not as many labels as there are images.
///
/// # Complexity
/// A pixel takes four bytes instead of one, and three times that may be held for a moment while the result grows.
///
/// # Source
/// LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*, 1998. Xiao, Rasul and
/// Vollgraf, *Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms*, 2017.
///
/// # Example
/// ```no_run
/// // Where Debian's package dataset-fashion-mnist puts them.
/// let fashion = pullback::data::mnist::read("/usr/share/datasets/fashion-mnist")?;
/// assert_eq!((fashion.train.len(), fashion.test.len()), (60_000, 10_000));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn read(directory: impl AsRef<Path>) -> Result<Split, DataError> {
    let part = |part: &str| {
        let open = |rest: &str| ByteSource::open(&find(directory.as_ref(), &format!("{part}-{rest}-ubyte"))?);
        read_sources(open("images-idx3")?, open("labels-idx1")?)
    };
    Ok(Split { train: part("train")?, test: part("t10k")? })
}

/// Reads one part from the bytes of its images and of its labels, each with a name that stands for the path in errors.
///
/// # Errors
/// As for [`read`].
///
/// # Example
/// ```
/// use ndarray::{Ix1, Ix2};
/// let images = [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28], [255; 784].as_slice()].concat();
/// let labels = [0, 0, 8, 1, 0, 0, 0, 1, 7];
/// let one = pullback::data::mnist::read_from(("images", &images[..]), ("labels", &labels[..]))?;
/// assert_eq!(one.array::<f32, Ix2>("x")?.sum(), 784.0);
/// assert_eq!(one.array::<i64, Ix1>("label")?[0], 7);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn read_from(images: (&str, impl Read), labels: (&str, impl Read)) -> Result<Dataset, DataError> {
    read_sources(ByteSource::new(images.0, images.1)?, ByteSource::new(labels.0, labels.1)?)
}

/// The file of that name, or of that name and `.gz`.
fn find(directory: &Path, name: &str) -> Result<PathBuf, DataError> {
    let names = vec![name.to_owned(), format!("{name}.gz")];
    let mut paths = names.iter().map(|name| directory.join(name));
    match paths.find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => Err(DataError::Absent { directory: directory.display().to_string(), names }),
    }
}

/// Both headers are compared before any image is read.
fn read_sources<R: Read, S: Read>(mut images: ByteSource<R>, mut labels: ByteSource<S>) -> Result<Dataset, DataError> {
    let sizes =
        [("the number of images", None), ("the number of rows", Some(SIDE)), ("the number of columns", Some(SIDE))];
    let image_header = IdxHeader::read_bytes_of(&mut images, &sizes)?;
    let n_images = image_header.shape()[0];
    let label_header = IdxHeader::read_bytes_of(&mut labels, &[("the number of labels", Some(n_images))])?;
    let first_label = labels.place().offset;
    let y = label_header.read_list(&mut labels, |[label]| i64::from(*label))?;
    for (offset, label) in (first_label..).zip(&y) {
        labels.check_number(offset, "the label", 0..=MAX_LABEL, label.unsigned_abs())?;
    }
    let x = image_header.read_list(&mut images, |[pixel]| f32::from(*pixel) / 255.0)?;
    let x = Array2::from_shape_vec((n_images, SIDE * SIDE), x).expect("invariant: the header's sizes are these");
    Dataset::of_rows(x, y)
}
