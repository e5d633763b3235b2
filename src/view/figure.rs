//! Charts beside each other. In: charts. Out: SVG, as text or as a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{chart::Chart, draw, matrix::Matrix};
use crate::{io::replace, numbers::short};

/// Pixels of one chart.
const CHART: [u32; 2] = [560, 400];

/// Charts in rows.
///
/// # Example
/// ```
/// use pullback::view::{Axis, Chart, Figure};
/// let chart = |title: &str| Chart::new(title, Axis::new("x"), Axis::new("y")).line("x", [(0.0, 0.0), (1.0, 1.0)]);
/// let svg = Figure::new([chart("left"), chart("right")], 2).to_svg()?;
/// assert!(svg.contains("left") && svg.contains("right"));
/// # Ok::<(), pullback::view::FigureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Figure {
    pictures: Vec<Picture>,
    columns: usize,
}

/// One of the pictures of a figure.
#[derive(Debug, Clone)]
pub(super) enum Picture {
    Chart(Chart),
    Matrix(Matrix),
}

impl Picture {
    /// Pixels of it.
    fn size(&self) -> [u32; 2] {
        match self {
            Picture::Chart(_) => CHART,
            Picture::Matrix(matrix) => matrix.size(),
        }
    }

    fn check(&self) -> Result<(), FigureError> {
        match self {
            Picture::Chart(chart) => chart.check(),
            Picture::Matrix(_) => Ok(()),
        }
    }
}

/// Why there is no picture.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FigureError {
    /// The picture cannot be drawn.
    #[error("the chart {title:?} cannot be drawn: {reason}")]
    Draw {
        /// The chart.
        title: String,
        /// What the drawing library says.
        reason: String,
    },
    /// A grid has another number of values than its size says.
    #[error("a grid of the chart {title:?} has {found} values, not {rows} × {columns}")]
    Grid {
        /// The chart.
        title: String,
        /// Rows as said.
        rows: usize,
        /// Columns as said.
        columns: usize,
        /// How many values there are.
        found: usize,
    },
    /// An axis that does not go from less to more.
    #[error("the axis {label:?} of the chart {title:?} cannot go from {} to {}", short(*low), short(*high))]
    Range {
        /// The chart.
        title: String,
        /// The axis.
        label: String,
        /// Its beginning.
        low: f64,
        /// Its end.
        high: f64,
    },
    /// A diagram of more boxes than are placed.
    #[error("a diagram of {found} boxes is not placed, only one of up to {most}: fold scopes, or draw fewer results")]
    Size {
        /// How many boxes there are.
        found: usize,
        /// The most that there may be.
        most: usize,
    },
    /// The picture cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Figure {
    /// Charts in rows of so many, at least one.
    pub fn new(charts: impl IntoIterator<Item = Chart>, columns: usize) -> Figure {
        Figure { pictures: charts.into_iter().map(Picture::Chart).collect(), columns: columns.max(1) }
    }

    /// One matrix.
    pub(super) fn of_matrix(matrix: Matrix) -> Figure {
        Figure { pictures: vec![Picture::Matrix(matrix)], columns: 1 }
    }

    /// The picture as SVG.
    ///
    /// # Errors
    /// A grid or the range of an axis makes no sense, or the drawing library says no.
    pub fn to_svg(&self) -> Result<String, FigureError> {
        self.pictures.iter().try_for_each(Picture::check)?;
        let rows = self.pictures.len().div_ceil(self.columns).max(1);
        let columns = self.columns.min(self.pictures.len()).max(1);
        let sizes = self.pictures.iter().map(Picture::size);
        let [width, height] = sizes.reduce(|one, other| [one[0].max(other[0]), one[1].max(other[1])]).unwrap_or(CHART);
        draw::svg(&self.pictures, [rows, columns], [width * columns as u32, height * rows as u32])
    }

    /// Writes the picture into a file; folders on the way to it are made, and a file of that name is replaced at once.
    ///
    /// # Errors
    /// A chart cannot be drawn, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        save_text(path.as_ref(), &self.to_svg()?)
    }
}

/// Writes a picture's text into a file; folders on the way to it are made.
pub(super) fn save_text(path: &Path, svg: &str) -> Result<(), FigureError> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| replace(path, |file| file.write_all(svg.as_bytes())))
        .map_err(|source| FigureError::Write { path: path.to_owned(), source })
}

impl Chart {
    /// The chart alone as SVG.
    ///
    /// # Errors
    /// It cannot be drawn.
    pub fn to_svg(&self) -> Result<String, FigureError> {
        Figure::new([self.clone()], 1).to_svg()
    }

    /// Writes the chart alone into a file, as [`Figure::save`].
    ///
    /// # Errors
    /// As for [`Figure::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        Figure::new([self.clone()], 1).save(path)
    }
}
