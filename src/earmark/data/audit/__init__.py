"""What is wrong with a corpus: copies, damage, wrong labels."""
