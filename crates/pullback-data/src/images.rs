//! Folders of images. In: a folder for each class. Out: a source of pixels and labels; files are read when their rows are asked for.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use image::{DynamicImage, ImageReader, imageops::FilterType};
use ndarray::{Array1, Array3, Array4, Axis};
use pullback::{
    DType,
    data::{Batch, Column, DataError, Source},
};

/// What the numbers of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One: how bright it is (ITU-R BT.709).
    Gray,
    /// Three: red, green and blue.
    Rgb,
}

impl Channels {
    fn count(self) -> usize {
        match self {
            Channels::Gray => 1,
            Channels::Rgb => 3,
        }
    }
}

/// How an image of another shape is brought to the size that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Its sides are scaled each by itself.
    Stretch,
    /// It is scaled until it covers the size, and what is left of it around the middle is cut off.
    Crop,
}

/// What images become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageOptions {
    /// Height and width in pixels.
    pub size: [usize; 2],
    /// What the numbers of a pixel are.
    pub channels: Channels,
    /// How images of other shapes are treated.
    pub placement: Placement,
}

impl ImageOptions {
    /// Images of that height and width, in colour, cropped.
    pub fn new(height: usize, width: usize) -> ImageOptions {
        ImageOptions { size: [height, width], channels: Channels::Rgb, placement: Placement::Crop }
    }
}

/// Images in files, a folder for each class: `root/cat/1.png`, `root/dog/a/2.jpg`.
///
/// A class has the number of its folder in the order of names; within it files are in the order of their paths, folders inside of it
/// included. Files whose names end in `.png`, `.jpg` or `.jpeg`, in letters of any case, are images; other files, and files and
/// folders whose names begin with a dot, are left out. A file is decoded when its row is asked for, in the thread that asks, so
/// [`Batching::prefetch`](pullback::data::Batching::prefetch) decodes while a step runs. Scaling takes the mean over what a pixel
/// covers (a triangular filter).
///
/// # Shapes
/// `x`: `f32[batch, channels, height, width]`, from 0 to 1; `label`: `i64[batch]`
///
/// # Example
/// ```
/// use pullback::data::{Batching, DataError, Source};
/// use pullback_data::{Channels, ImageFolder, ImageOptions};
/// # let root = tempfile::tempdir().unwrap();
/// # for (class, shade) in [("dark", 10u8), ("light", 250)] {
/// #     std::fs::create_dir(root.path().join(class)).unwrap();
/// #     image::GrayImage::from_pixel(9, 7, image::Luma([shade])).save(root.path().join(class).join("1.png")).unwrap();
/// # }
/// # let root = root.path();
/// let images = ImageFolder::open(root, ImageOptions { channels: Channels::Gray, ..ImageOptions::new(8, 8) })?;
/// assert_eq!(images.classes(), ["dark", "light"]);
/// let batch = images.batch(&[0, 1], 0)?;
/// assert_eq!(batch["x"].shape(), [2, 1, 8, 8]);
/// # Ok::<(), DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageFolder {
    columns: [Column; 2],
    classes: Vec<String>,
    files: Vec<(PathBuf, i64)>,
    options: ImageOptions,
}

impl ImageFolder {
    /// The images below a folder.
    ///
    /// # Errors
    /// A folder cannot be read, it has no folders, one of them holds no image, or the size is 0 on an axis.
    pub fn open(root: impl AsRef<Path>, options: ImageOptions) -> Result<ImageFolder, DataError> {
        let root = root.as_ref();
        if options.size.contains(&0) {
            return Err(refused(root, "images have at least one pixel on each axis"));
        }
        let mut classes = Vec::new();
        let mut files = Vec::new();
        for folder in entries(root)?.into_iter().filter(|path| path.is_dir()) {
            let mut found = images_below(&folder)?;
            if found.is_empty() {
                return Err(refused(&folder, "the folder of a class holds no .png, .jpg or .jpeg file"));
            }
            found.sort();
            let label = classes.len() as i64;
            files.extend(found.into_iter().map(|path| (path, label)));
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        if classes.is_empty() {
            return Err(refused(root, "there is no folder in it, but each class has one"));
        }
        let [height, width] = options.size;
        let x = Column::new("x", DType::F32, (options.channels.count(), height, width));
        Ok(ImageFolder { columns: [x, Column::new("label", DType::I64, ())], classes, files, options })
    }

    /// The names of the classes: label 0 is the first.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The file of each row, with its label.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&Path, i64)> {
        self.files.iter().map(|(path, label)| (path.as_path(), *label))
    }

    /// The pixels of a file, channels first.
    fn pixels(&self, path: &Path) -> Result<Array3<f32>, DataError> {
        let image = decode(path)
            .map_err(|error| DataError::other(format!("{}: no image can be read", path.display()), error))?;
        let [height, width] = self.options.size.map(|size| size as u32);
        let image = match self.options.placement {
            _ if [image.height(), image.width()] == [height, width] => image,
            Placement::Stretch => image.resize_exact(width, height, FilterType::Triangle),
            Placement::Crop => image.resize_to_fill(width, height, FilterType::Triangle),
        };
        let n_channels = self.options.channels.count();
        let values = match self.options.channels {
            Channels::Gray => image.to_luma32f().into_raw(),
            Channels::Rgb => image.to_rgb32f().into_raw(),
        };
        let shape = [self.options.size[0], self.options.size[1], n_channels];
        let last =
            Array3::from_shape_vec(shape, values).expect("invariant: an image has the size that it was brought to");
        Ok(last.permuted_axes([2, 0, 1]))
    }
}

impl Source for ImageFolder {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_examples(&self) -> Option<usize> {
        Some(self.files.len())
    }

    fn batch(&self, rows: &[usize], _epoch: u64) -> Result<Batch, DataError> {
        let [height, width] = self.options.size;
        let mut x = Array4::zeros([rows.len(), self.options.channels.count(), height, width]);
        let mut labels = Array1::zeros(rows.len());
        for (position, row) in rows.iter().enumerate() {
            let n_examples = self.files.len();
            let (path, label) = self.files.get(*row).ok_or(DataError::NoRow { row: *row, n_examples })?;
            x.index_axis_mut(Axis(0), position).assign(&self.pixels(path)?);
            labels[position] = *label;
        }
        Batch::new().column("x", x)?.column("label", labels)
    }
}

/// The limits of the library hold: a file of some bytes cannot ask for more than 512 MiB.
fn decode(path: &Path) -> Result<DynamicImage, image::ImageError> {
    ImageReader::open(path)?.with_guessed_format()?.decode()
}

fn refused(path: &Path, why: &'static str) -> DataError {
    DataError::other(path.display().to_string(), io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// What is in a folder, in the order of names, without those that begin with a dot.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>();
    let mut paths = read().map_err(|source| DataError::Open { file: folder.display().to_string(), source })?;
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    Ok(paths)
}

/// The images in a folder and in the folders inside of it. A link is not followed to a folder, so there is no circle.
fn images_below(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else if path.is_file() && is_image(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ["png", "jpg", "jpeg"].contains(&ending.as_str()))
}
