"""What is learned from: corpora, their genres and groups, splits, features, audits."""
