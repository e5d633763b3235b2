//! Images changed at random. In: a source with a column of images. Out: a source of the same examples, whose images are flipped,
//! cropped, cut out and normalized. What is drawn depends on the seed, the epoch and the row alone.

use std::ops::Range;

use ndarray::{Array4, Axis, IxDyn, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Batch, Column, DataError, Source, source::find_column};
use crate::graph::{DType, Value};

/// Random numbers for one example: so many words of the generator's stream are its own.
const N_WORDS: u128 = 1 << 16;

/// A source whose images are changed, one change after the other in the order in which they are said: the rows of an epoch always
/// in the same way, whatever batches they come in, and in another in the next epoch.
///
/// The generator of a row is ChaCha8 with the seed as key, the number of the epoch as stream and the row as position in it.
///
/// # Shapes
/// The column of images: `f32[channels, height, width]` an example, of any sizes; it has the same shape after.
///
/// # Source
/// He, Zhang, Ren and Sun, *Deep residual learning for image recognition*, 2016, section 4.2 (flips and crops); DeVries and
/// Taylor, *Improved regularization of convolutional neural networks with cutout*, 2017.
///
/// # Example
/// ```
/// use pullback::data::{Augmented, Batching, digits};
/// let images = digits().reshape("x", (1, 8, 8))?;
/// let augmented = Augmented::new(&images, "x", 7)?.crop(1).cutout(2).normalize([0.3], [0.4])?;
/// let first = |epoch| Batching::new(8).in_order().epoch(&augmented, 0, epoch)?.next().expect("there are images");
/// assert_eq!(first(0)?, first(0)?);
/// assert_ne!(first(0)?, first(1)?);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Augmented<S> {
    source: S,
    name: String,
    seed: u64,
    sizes: [usize; 3],
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Flip,
    Crop(usize),
    Cutout(usize),
    Normalize { mean: Vec<f32>, deviation: Vec<f32> },
}

impl<S: Source> Augmented<S> {
    /// The images in the column of that name, not changed yet.
    ///
    /// # Errors
    /// There is no such column, or its examples are not of `f32` with three axes of known sizes.
    pub fn new(source: S, name: &str, seed: u64) -> Result<Augmented<S>, DataError> {
        let sizes = |column: &Column| column.ty.shape.as_numbers().and_then(|sizes| <[usize; 3]>::try_from(sizes).ok());
        let is_image = |column: &Column| column.ty.dtype == DType::F32 && sizes(column).is_some();
        let column = find_column(&source, name, "f32[channels, height, width] an example", is_image)?;
        let sizes = sizes(column).unwrap_or_default();
        Ok(Augmented { source, name: name.to_owned(), seed, sizes, changes: Vec::new() })
    }

    /// Left and right change places, for half of the images.
    #[doc(alias = "RandomHorizontalFlip")]
    pub fn flip(self) -> Augmented<S> {
        self.and(Change::Flip)
    }

    /// The image is padded by so many zeros on each side, and a part of its size cut out at a random place: it is moved by up to
    /// so many pixels along both axes.
    #[doc(alias = "RandomCrop")]
    pub fn crop(self, padding: usize) -> Augmented<S> {
        self.and(Change::Crop(padding))
    }

    /// A square of that side around a random pixel is 0, as far as it is inside of the image.
    #[doc(alias("RandomErasing", "Cutout"))]
    pub fn cutout(self, side: usize) -> Augmented<S> {
        self.and(Change::Cutout(side))
    }

    /// x becomes (x − mean) / deviation, with a mean and a deviation for each channel. What comes after it sees 0 where the mean
    /// was.
    ///
    /// # Errors
    /// There are not as many means or deviations as channels, a number is not finite, or a deviation is not positive.
    pub fn normalize(
        self,
        mean: impl Into<Vec<f32>>,
        deviation: impl Into<Vec<f32>>,
    ) -> Result<Augmented<S>, DataError> {
        let (mean, deviation) = (mean.into(), deviation.into());
        for (what, numbers) in [("the number of means", &mean), ("the number of deviations", &deviation)] {
            if numbers.len() != self.sizes[0] {
                let found = numbers.len() as f64;
                return Err(DataError::Parameter { what, expected: "that of the channels", found });
            }
        }
        if let Some(found) = mean.iter().find(|mean| !mean.is_finite()) {
            let found = f64::from(*found);
            return Err(DataError::Parameter { what: "a mean", expected: "finite", found });
        }
        if let Some(found) = deviation.iter().find(|deviation| !(deviation.is_finite() && **deviation > 0.0)) {
            let found = f64::from(*found);
            return Err(DataError::Parameter { what: "a deviation", expected: "positive and finite", found });
        }
        Ok(self.and(Change::Normalize { mean, deviation }))
    }

    fn and(mut self, change: Change) -> Augmented<S> {
        self.changes.push(change);
        self
    }
}

impl<S: Source> Source for Augmented<S> {
    fn columns(&self) -> &[Column] {
        self.source.columns()
    }

    fn n_examples(&self) -> Option<usize> {
        self.source.n_examples()
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        let mut batch = self.source.batch(rows, epoch)?;
        let images = batch.array::<f32, IxDyn>(&self.name)?.to_owned();
        let [channels, height, width] = self.sizes;
        let sizes = (batch.len(), channels, height, width);
        let mut images: Array4<f32> = images.into_shape_with_order(sizes).map_err(|_| DataError::ColumnKind {
            column: Column::new(&self.name, DType::F32, [channels, height, width]),
            expected: "what the source says that it is",
        })?;
        for (mut image, row) in images.axis_iter_mut(Axis(0)).zip(rows) {
            let mut rng = row_generator(self.seed, epoch, *row);
            for change in &self.changes {
                change.apply(&mut image, &mut rng);
            }
        }
        *batch.take(&self.name)? = Value::F32(images.into_dyn());
        Ok(batch)
    }

    fn length(&self, row: usize) -> Option<usize> {
        self.source.length(row)
    }
}

impl Change {
    fn apply(&self, image: &mut ndarray::ArrayViewMut3<'_, f32>, rng: &mut ChaCha8Rng) {
        let (_, height, width) = image.dim();
        match self {
            Change::Flip => {
                if below(rng, 2) == 1 {
                    let flipped = image.slice(s![.., .., ..;-1]).to_owned();
                    image.assign(&flipped);
                }
            }
            Change::Crop(padding) => {
                let [down, right] = [(); 2].map(|()| below(rng, 2 * *padding as u64 + 1) as usize);
                let whole = image.to_owned();
                image.fill(0.0);
                let (rows, from_rows) = moved(height, *padding, down);
                let (columns, from_columns) = moved(width, *padding, right);
                image.slice_mut(s![.., rows, columns]).assign(&whole.slice(s![.., from_rows, from_columns]));
            }
            Change::Cutout(side) => {
                let [rows, columns] = [height, width].map(|size| around(below(rng, size as u64) as usize, *side, size));
                image.slice_mut(s![.., rows, columns]).fill(0.0);
            }
            Change::Normalize { mean, deviation } => {
                for ((mut plane, mean), deviation) in image.outer_iter_mut().zip(mean).zip(deviation) {
                    plane.mapv_inplace(|x| (x - mean) / deviation);
                }
            }
        }
    }
}

/// Where what is left of an axis comes to lie, and where it was, if the part that is kept begins at `start` of the padded axis.
fn moved(size: usize, padding: usize, start: usize) -> (Range<usize>, Range<usize>) {
    let first = padding.saturating_sub(start).min(size);
    let first_before = start.saturating_sub(padding).min(size);
    let n = size - first.max(first_before);
    (first..first + n, first_before..first_before + n)
}

/// The places within half a side of the centre, as far as there are any.
fn around(centre: usize, side: usize, size: usize) -> Range<usize> {
    let start = centre.saturating_sub(side / 2).min(size);
    let end = (centre + side.div_ceil(2)).min(size);
    start..end.max(start)
}

/// The generator of one row in an epoch. The key is another than that of the order of the rows, which may have the same seed.
pub(super) fn row_generator(seed: u64, epoch: u64, row: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6175_676d_656e_7473);
    rng.set_stream(epoch);
    rng.set_word_pos(row as u128 * N_WORDS);
    rng
}

/// One of the integers below `n`, each as likely as any other but for a part in 2⁶⁴; 0 for none.
pub(super) fn below(rng: &mut impl Rng, n: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64
}
