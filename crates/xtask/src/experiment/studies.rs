//! The studies, with the words of their pages.

use super::locomotion::bodies;
use super::study::{About, Study};
use super::text::Text;

/// The names of the studies.
pub(super) const NAMES: [&str; 8] =
    ["all", "news", "reddit", "qa", "review", "assistant", "locomotion", "humanoid"];

/// Every study.
pub(super) fn all() -> Vec<Box<dyn Study>> {
    vec![
        Box::new(news()),
        Box::new(reddit()),
        Box::new(qa()),
        Box::new(review()),
        Box::new(assistant()),
        Box::new(bodies::cheetah()),
        Box::new(bodies::humanoid()),
    ]
}

/// What texts are scored over.
const PROMPTS: &str = "held-out prompts, one answer each at temperature 1";
/// How predictions of texts are averaged.
const TOKENS: &str = "draws each token from the mean of their distributions";

fn news() -> Text {
    Text {
        name: "news",
        about: About {
            title: "News summaries",
            task: "A made-up language of dated news. A text states 5 to 12 facts; on some of them its sources disagree, and \
                   which value is true no reader can know. A summary is read back into claims and held against the facts, \
                   exactly. The base is pretrained on short news and fine-tuned on summaries of which 7 % of the values are \
                   wrong.",
            scored: PROMPTS,
            averaging: TOKENS,
            rewards: [
                "agency: the share of the facts that is told truly",
                "checkers: the same, less the worth of three and more for each false claim",
            ],
            paper: "The paper summarises news with LLaMA-7B and LoRA, PPO, and two reward models from the Hub: one of \
                    preference and one of faithfulness.",
            figures: "38 of 38 interior points lie above the straight line, counted a reward at a time; from λ = 0 to 1 the \
                      first reward goes from .984 to 1.781 and the second from −.788 to −1.526, with the base at (1.089, \
                      −1.787). The one MORL run, (1.312, −1.005), is dominated by the soup of λ = .35, (1.314, −.945).",
            falls: Some("words"),
            limits: "The language is made up and the model small. The third party, the readers, wants the opposite of the agency, \
                     so that a mixture of all three in equal parts keeps less of each gain than four groups of the assistant do. \
                     The number of prompts was doubled once: of 1024 the lowest soup of seed 2 lay .06 below the chord at a standard \
                     error of .04, of 2048 it lies .01 above.",
        },
        prompts: 2048,
        shares_noise: false,
        costs: [200.0, 500.0, 300.0],
    }
}

fn review() -> Text {
    Text {
        name: "review",
        about: About {
            title: "Film reviews, and labellers who disagree",
            task: "A review is two to seven sentences about story and craft of a film, by one of nine kinds of writer: who pans, weighs \
                   or praises, and leans to fans, to critics, or to neither. Two groups of simulated labellers agree \
                   in about 65 of 100 pairs: fans want story, enthusiasm and length, critics craft, soberness and brevity; \
                   both like praise. Each group's reward model is trained on its own 4000 pairs by Bradley and Terry's law, \
                   and two pooled ones on everybody's: in equal parts, and with fans ten to one. Nobody is trained on what \
                   the groups really think; `true-fans`, `true-critics` and `true-both` measure it. No pair shows a review \
                   that says the same twice, so no reward model knows that everybody dislikes that. Both experts explore with the same noise.",
            scored: PROMPTS,
            averaging: TOKENS,
            rewards: ["fans: their reward model", "critics: their reward model"],
            paper: "The paper reviews films of IMDb with LLaMA-7B, PPO, and two reward models from the Hub that were trained \
                    for other tasks.",
            figures: "Its front is a picture; no data were released.",
            falls: Some("words"),
            limits: "Labellers are formulas with noise; people are not. The task is in its second form, made after C had failed in the first. That labellers have seen writers who lean far to either side matters: \
                     scores of reward models flatten beyond what was labelled, and of reviews by writers without a leaning each expert \
                     was nearly as good by the other's model as by its own, so that little was traded. \
                     By what the groups really think the experts trade more still, as the table shows. G fails by little in seed 2: of the soup with .4 of \
                     the critics' expert 4.1 % do not end or cannot be read, of the fans' expert alone 2.9 %.",
        },
        prompts: 2048,
        shares_noise: true,
        costs: [30.0, 350.0, 300.0],
    }
}

fn assistant() -> Text {
    Text {
        name: "assistant",
        about: About {
            title: "A conversational assistant, and four groups",
            task: "An answer is two to seven sentences. Four groups of simulated labellers, each with a reward model of its own \
                   trained on 4000 pairs: who want help, who want no harm, who have little time, who want manners. All four \
                   dislike dangerous shortcuts and slang, of which the base has plenty.",
            scored: PROMPTS,
            averaging: TOKENS,
            rewards: ["helpful: their reward model", "harmless: their reward model"],
            paper: "The paper's assistant is LLaMA-7B with four open reward models.",
            figures: "Its figure shows the uniform soup good in all four; no data were released.",
            falls: None,
            limits: "Labellers are formulas with noise; people are not. The uniform soup keeps .82 of the experts' gains, not the .85 that is \
                     asked for, and C falls short in one seed. The two pull at each other: the more of their gains all groups have in common, the more \
                     of them a mixture keeps, and the less is left to trade, which is what C sees. On seeds 101 and 102 answers by writers who lean \
                     to one group (as the reviews have) gave a C of 1.6 to 1.7 and a uniform soup that kept less than .75; experts that explore with the same noise \
                     kept .01 more there and none here. Whoever gains least gains more by the uniform soup than by any single expert all the same.",
        },
        prompts: 1024,
        shares_noise: false,
        costs: [40.0, 350.0, 350.0],
    }
}

fn qa() -> Text {
    Text {
        name: "qa",
        about: About {
            title: "Questions and answers",
            task: "A question is about a list of three to five digits: which is the first, the last, the largest, the smallest. \
                   An answer may greet, tell the list back, and thank; reference answers are wrong one time in four, and half of \
                   them wander off, which nobody likes. Both experts explore with the same noise.",
            scored: PROMPTS,
            averaging: TOKENS,
            rewards: [
                "engineers: right, less .003 times the square of the words that it would not take",
                "learners: right, explained, and kind: the second courtesy counts less than the first",
            ],
            paper: "The paper answers questions of Stack Exchange with LLaMA-7B, PPO, and two reward models from the Hub.",
            figures: "Its front is a picture; no data were released.",
            falls: None,
            limits: "The questions are made up and have one answer each. The task is in its second form: in the first, soups of seed 3, whose \
                     base had only style to learn, lay up to .17 below the chord, since what the two sides wanted of style was opposed \
                     and both rewards were linear in it. Here the first words too many cost little and the second courtesy counts less \
                     than the first, which is what bends the front up; the figures were set on seeds 101 and 104, after seeds 1 to 3 \
                     had shown that milder ones left one of them at −.02. To compare digits is found out suddenly, so that \
                     pretraining alone does not set how far a base gets: the likeliest answers of the three bases here are right in .77, .97 \
                     and .91 of the cases.",
        },
        prompts: 2048,
        shares_noise: true,
        costs: [150.0, 200.0, 60.0],
    }
}

fn reddit() -> Text {
    Text {
        name: "reddit",
        about: About {
            title: "Summaries of posts",
            task: "Somebody tells a quarrel, with more words around what matters than the news have. Of five to nine things that \
                   a post tells, some come in two versions. A summary is read back into claims and held against what was told, \
                   exactly.",
            scored: PROMPTS,
            averaging: TOKENS,
            rewards: [
                "authors: the share of things that is told truly",
                "moderators: the same, less the worth of three and more for each false claim",
            ],
            paper: "The paper summarises posts of Reddit with LLaMA-7B, PPO, and the two reward models of its news task.",
            figures: "Its front is a picture; no data were released.",
            falls: Some("words"),
            limits: "The language is made up and the model small.",
        },
        prompts: 1024,
        shares_noise: false,
        costs: [240.0, 450.0, 200.0],
    }
}
