//! The flags, beside experts and λ, by which a soup is made again.

use potluck_soup::Dtype;
use potluck_soup::method::{Consensus, Density, Method, Strength};

use super::dish::{Adapters, Course, Dish};
use super::order::decimal;

/// The flags of this dish, each with a space before it. Folders and files of this machine are not named.
pub(crate) fn flags(dish: &Dish, has_base: bool, is_lineage: bool, shards: Option<u64>) -> String {
    let mut flags = vec![method(&dish.method)];
    match dish.course {
        Course::Model | Course::Adapter(Adapters::Linear) => {}
        Course::Adapter(Adapters::Factors) => flags.push(" --adapter factors".to_owned()),
        Course::Merged => flags.push(" --merge-into-base".to_owned()),
    }
    if has_base {
        flags.push(" --base PATH".to_owned());
    }
    let dtype = |dtype: Dtype| format!(" --dtype {}", dtype.name());
    flags.extend(dish.dtype.map(dtype));
    flags.extend(shards.map(|bytes| format!(" --shard-size {bytes}")));
    flags.extend(dish.prefer.as_ref().map(|prefer| format!(" --prefer {prefer}")));
    if is_lineage {
        flags.push(" --lineage".to_owned());
    }
    flags.concat()
}

fn method(method: &Method) -> String {
    let trimmed = |density: Density, consensus: Consensus, strength: Strength| {
        format!(
            "--density {} --consensus {} --strength {}",
            decimal(density.ppm().into()),
            consensus.name(),
            decimal(strength.ppm().into())
        )
    };
    match method {
        Method::Linear => String::new(),
        Method::TaskArithmetic => " --method task-arithmetic --extrapolate".to_owned(),
        Method::Slerp => " --method slerp".to_owned(),
        Method::Ties { density, consensus, strength } => {
            format!(" --method ties {}", trimmed(*density, *consensus, *strength))
        }
        Method::DareTies { density, seed, consensus, strength } => format!(
            " --method dare-ties {} --seed {seed}",
            trimmed(*density, *consensus, *strength)
        ),
        Method::ModelStock => " --method model-stock".to_owned(),
        Method::Layerwise { .. } => " --method layerwise --layers FILE".to_owned(),
    }
}
