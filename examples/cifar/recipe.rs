//! How architectures are trained on CIFAR. In: images, an architecture with its recipe and a seed. Out: a report. It reads no files.

use std::error::Error;

use pullback::{
    DType, Graph,
    data::{Augmented, Batching, Dataset, Source, Split},
    nn::{Layer, cross_entropy, zero_one_loss},
    optim::{HeavyBall, Schedule},
    train::{Fit, Metric, Objective, Observer, Report, Trainer},
};

use super::architectures::{Architecture, published::coloured};

/// Of each channel of the training images of CIFAR-10, as the repository takes it for both sets.
const MEAN: [f32; 3] = [0.4914, 0.4822, 0.4465];
const DEVIATION: [f32; 3] = [0.2023, 0.1994, 0.2010];
const MOMENTUM: f64 = 0.9;
/// Pixels by which an image is moved.
const PADDING: usize = 4;

/// Descent with momentum, whose rate falls by steps.
pub(crate) struct Recipe {
    pub(crate) architecture: Architecture,
    pub(crate) epochs: u64,
    batch: usize,
    rate: f64,
    /// After so many epochs the rate is multiplied by the factor.
    falls: Vec<u64>,
    factor: f64,
    /// λ of the penalty λ‖θ‖²/2.
    decay: f64,
}

impl Recipe {
    /// As the repository's `TRAINING.md` has it; LeNet, which it has not, as AlexNet.
    pub(crate) fn of(architecture: Architecture) -> Recipe {
        let recipe = |epochs, falls: &[u64], decay| Recipe {
            architecture,
            epochs,
            batch: 128,
            rate: 0.1,
            falls: falls.to_vec(),
            factor: 0.1,
            decay,
        };
        match architecture {
            // Without norms a rate of 0.1 is too much.
            Architecture::LeNet { .. } | Architecture::AlexNet { .. } => {
                Recipe { rate: 0.01, ..recipe(164, &[81, 122], 5e-4) }
            }
            Architecture::Vgg { .. } => recipe(164, &[81, 122], 5e-4),
            Architecture::ResNet { .. } | Architecture::PreResNet { .. } => recipe(164, &[81, 122], 1e-4),
            Architecture::WideResNet { .. } => Recipe { factor: 0.2, ..recipe(200, &[60, 120, 160], 5e-4) },
            Architecture::ResNext { .. } => recipe(300, &[150, 225], 5e-4),
            Architecture::DenseNet { .. } => Recipe { batch: 64, ..recipe(300, &[150, 225], 1e-4) },
        }
    }

    /// The same in another time.
    pub(crate) fn in_epochs(self, epochs: u64) -> Recipe {
        // Not at once, however few there are.
        let falls = self.falls.iter().map(|fall| (fall * epochs).div_ceil(self.epochs)).collect();
        Recipe { epochs, falls, ..self }
    }

    fn rate(&self, n_batches: u64) -> Schedule {
        let (rate, factor, falls) = (self.rate, self.factor, self.falls.clone());
        let of_epoch = move |epoch| {
            let n_falls = falls.iter().filter(|fall| **fall <= epoch).count();
            rate * factor.powi(n_falls as i32)
        };
        Schedule::function(of_epoch).in_epochs(n_batches)
    }
}

/// Trains and measures after each epoch: the test part is the report's held-out one.
pub(crate) fn train(
    split: Split,
    n_classes: usize,
    (recipe, seed): (&Recipe, u64),
    configure: impl FnOnce(Fit) -> Fit,
    observer: &mut dyn Observer,
) -> Result<Report, Box<dyn Error>> {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 3, 32, 32)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = recipe.architecture.build(&g, coloured(n_classes))?.call(x);
    let squares = g.parameters().into_iter().map(|parameter| parameter.square().sum()).reduce(|sum, next| sum + next);
    let penalty = squares.ok_or("a network has parameters")? * (recipe.decay / 2.0);
    let objective = Objective::new(cross_entropy(scores, label)).penalty(penalty);
    let mut trainer = Trainer::new(objective, [Metric::rate("error", zero_one_loss(scores, label))])?;

    let images = |part: Dataset| -> Result<_, Box<dyn Error>> {
        Ok(Augmented::new(part.reshape("x", (3, 32, 32))?, "x", seed)?)
    };
    let train = images(split.train)?.crop(PADDING).flip().normalize(MEAN, DEVIATION)?;
    let test = images(split.test)?.normalize(MEAN, DEVIATION)?;
    let n_batches = train.n_examples().ok_or("the number of images is known")?.div_ceil(recipe.batch) as u64;
    let mut rule = HeavyBall::new(recipe.rate(n_batches), MOMENTUM);
    let mut parameters = g.initialize(seed)?;
    let fit = configure(Fit::new(recipe.epochs, Batching::new(recipe.batch).prefetch(2)).seed(seed));
    Ok(trainer.training(&mut parameters, &mut rule).validate(&test).observe(observer).fit(&train, &fit)?)
}
