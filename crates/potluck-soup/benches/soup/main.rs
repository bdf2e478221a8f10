//! What `cargo xtask bench soup` runs beside the product: test data, the floor, a binary32 rival.
//!
//! ```text
//! soup checkpoint FOLDER SEED            a Llama-shaped BF16 checkpoint of 0.99 GB, unless it is there
//! soup adapter FOLDER SEED DTYPE         a rank-16 adapter of a 7 B shape, F32 or BF16, unless it is there
//! soup floor BLOCK OUT INPUT…            reads every input, writes the first one's bytes: no arithmetic
//! soup binary32 BLOCK OUT WEIGHT=INPUT…  the same with a weighted sum in binary32
//! ```
//!
//! BLOCK is in bytes; OUT is a file that is made if it is not there and overwritten in place if it is, or `-`
//! for none. Threads: one a core. A program and not a criterion bench, since its rivals are programs. Without
//! arguments (under `cargo bench`) it says where the benchmark is.

mod binary32;
mod blocks;
mod checkpoint;
mod generate;

use std::error::Error;
use std::path::Path;

use self::binary32::Binary32;
use self::blocks::Job;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["checkpoint", folder, seed] => Ok(checkpoint::llama(Path::new(folder), seed.parse()?)?),
        ["adapter", folder, seed, dtype] => {
            Ok(checkpoint::adapter(Path::new(folder), seed.parse()?, dtype.parse()?)?)
        }
        ["floor", block, out, inputs @ ..] => {
            let job = Job::open(inputs, out, block.parse()?)?;
            Ok(job.run(|inputs, _| &inputs[0])?)
        }
        ["binary32", block, out, terms @ ..] => {
            let mut weights = Vec::new();
            let mut inputs = Vec::new();
            for term in terms {
                let (weight, input) = term.split_once('=').ok_or("write WEIGHT=INPUT")?;
                weights.push(weight.parse()?);
                inputs.push(input);
            }
            let job = Job::open(&inputs, out, block.parse()?)?;
            let rival = Binary32::new(weights);
            Ok(job.run(|inputs, output| rival.mix(inputs, output))?)
        }
        [] => {
            println!("the benchmark of soups is `cargo xtask bench soup`");
            Ok(())
        }
        _ => Err(format!("what is {words:?}? see the head of {}", file!()).into()),
    }
}
