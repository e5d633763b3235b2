//! The loss along lines and over planes. In: directions and steps along them. Out: the losses there. Drawing is not done
//! here.

use ndarray::Array2;

use super::{direction::Direction, error::LandscapeError, point::Point};
use crate::program::Inputs;

impl<I: Inputs> Point<'_, I> {
    /// The loss along a direction: f(x + a·d) for each step a.
    ///
    /// # Errors
    /// [`LandscapeError::Direction`] if d lacks a parameter of the loss; [`LandscapeError::LossNotFinite`] with the first
    /// step at which the loss is not finite.
    ///
    /// # Complexity
    /// One evaluation of the loss a step.
    ///
    /// # Source
    /// Goodfellow, Vinyals and Saxe, *Qualitatively characterizing neural network optimization problems*, 2015, section 3.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{Direction, Landscape}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Zeros);
    /// let mut landscape = Landscape::new((w - 1.0).square().sum())?;
    /// let (from, mut to) = (g.initialize(0)?, g.initialize(0)?);
    /// to.set("w", &ndarray::array![1.0, 1.0])?;
    /// let losses = landscape.point(&from, ())?.slice(&Direction::between(&from, &to)?, &[0.0, 0.5, 1.0, 2.0])?;
    /// assert_eq!(losses, [2.0, 0.5, 0.0, 2.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(&mut self, direction: &Direction, steps: &[f64]) -> Result<Vec<f64>, LandscapeError> {
        let direction = self.landscape.coordinates(direction)?;
        let mut loss = |step: &f64| {
            self.go(|coordinate| step * direction[coordinate]);
            self.loss_there(&[*step])
        };
        steps.iter().map(&mut loss).collect()
    }

    /// The loss over a plane: f(x + a·d₁ + b·d₂), in row i and column j for the step aᵢ along d₁ and bⱼ along d₂.
    ///
    /// # Errors
    /// As for [`Point::slice`].
    ///
    /// # Complexity
    /// One evaluation of the loss a pair of steps.
    ///
    /// # Source
    /// Li, Xu, Taylor, Studer and Goldstein, *Visualizing the loss landscape of neural nets*, 2018, section 4.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer, landscape::{Direction, Landscape, Scale}};
    /// let g = Graph::new();
    /// let x = g.constant(ndarray::array![[0.5f32, -1.0]]);
    /// let w = g.parameter("w", (2, 3), Initializer::HeNormal);
    /// let mut landscape = Landscape::new(x.dot(w).tanh().square().sum())?;
    /// let parameters = g.initialize(4)?;
    /// let [d1, d2] = [1, 2].map(|seed| Direction::random(&parameters, Scale::Filter, seed));
    /// let steps = [-1.0, 0.0, 1.0];
    /// let mut point = landscape.point(&parameters, ())?;
    /// let losses = point.plane([&d1, &d2], [&steps, &steps])?;
    /// assert_eq!(losses[[1, 1]], point.value());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn plane(&mut self, directions: [&Direction; 2], steps: [&[f64]; 2]) -> Result<Array2<f64>, LandscapeError> {
        let first = self.landscape.coordinates(directions[0])?;
        let second = self.landscape.coordinates(directions[1])?;
        let mut losses = Array2::zeros((steps[0].len(), steps[1].len()));
        for ((row, column), loss) in losses.indexed_iter_mut() {
            let (a, b) = (steps[0][row], steps[1][column]);
            self.go(|coordinate| a * first[coordinate] + b * second[coordinate]);
            *loss = self.loss_there(&[a, b])?;
        }
        Ok(losses)
    }
}
