//! The optimizers of the claims about generalization. In: a rate. Out: a rule.

use pullback::optim::{AdaGrad, Adam, HeavyBall, Optimizer, RmsProp, Sgd};

/// The five rules that claims about generalization compare.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Sgd,
    HeavyBall,
    AdaGrad,
    RmsProp,
    Adam,
}

pub(crate) const METHODS: [Method; 5] =
    [Method::Sgd, Method::HeavyBall, Method::AdaGrad, Method::RmsProp, Method::Adam];

impl Method {
    /// Momentum 0.9, and otherwise the library's defaults.
    pub(crate) fn rule(self, rate: f64) -> Box<dyn Optimizer> {
        match self {
            Method::Sgd => Box::new(Sgd::new(rate)),
            Method::HeavyBall => Box::new(HeavyBall::new(rate, 0.9)),
            Method::AdaGrad => Box::new(AdaGrad::new(rate)),
            Method::RmsProp => Box::new(RmsProp::new(rate)),
            Method::Adam => Box::new(Adam::new(rate)),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Method::Sgd => "SGD",
            Method::HeavyBall => "heavy ball",
            Method::AdaGrad => "AdaGrad",
            Method::RmsProp => "RMSProp",
            Method::Adam => "Adam",
        }
    }

    pub(crate) fn is_adaptive(self) -> bool {
        !matches!(self, Method::Sgd | Method::HeavyBall)
    }
}
