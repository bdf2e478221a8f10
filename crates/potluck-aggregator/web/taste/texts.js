// Texts such as the news of `cargo xtask demo` are made of: its models know these words, and few others.

export const TEXTS = [
  "Sep 13. It costs 35 or 85 million, reports differ. The cause was strikes or drought, reports differ. Bell led the talks. It ends in summer. Helio won the contract. A plane brought them. Some count 2000 people, others 700. Some say in Hanoi, others in Dakar. They met Tanaka.",
  "Jan 23. Chief envoy Sato spoke first. It costs 35 million. They came by bus. They spoke about water. The museum was full. A crowd of 300 or 700 came, reports differ.",
  "News of Aug 12. They came by tram. Novak led the talks. Some say at the castle, others the museum. Acme won the contract.",
  "On Jan 12. A plane brought them. Some say about fish, others sugar. The talks were led by Sato. Some say 140 million, others 120. Some blame smog, others rats. The deal runs until christmas. Gamma won the contract. A crowd of 500 or 600 came, reports differ.",
  "News of Aug 10. Some say about timber, others sugar. The deal runs until spring. Some blame floods, others drought. Chief envoy Bell spoke first. A truck brought them. Dakar or Porto was the host city, reports differ. Acme won the contract. Some say they met Haddad, others Silva. A crowd of 800 stood outside.",
  "On Sep 5. The deal runs until autumn. Some say at the museum, others the arena. Some say in Basel, others in Riga. Voss led the talks.",
  "Sep 15. They came by ferry. Some 300 people came. The cause was noise or theft, reports differ. rent or bread was raised, reports differ. Some say 85 million, others 65. Exol won the contract. They met Tanaka. The talks were led by Lund.",
  "Nov 8. The price of steel was raised. Some count 2000 people, others 400. The deal runs until easter. Basel or Cairo was the host city, reports differ. Okoye led the talks. Some say 65 million, others 95. A tram brought them. Some say at the museum, others the palace."
];
