package run

// SetBatch has all steps work in pages and transactions of n objects, 0 of as
// many as is best. No result may depend on it: that is what it is for. It must not
// be called while anything runs.
func (r *Runner) SetBatch(n int) { r.batch = n }

// batchOf returns how many objects to take at once where n are best.
func (r *Runner) batchOf(n int) int {
	if r.batch > 0 {
		return r.batch
	}
	return n
}

// batched returns limits with these batches.
func (r *Runner) batched(l limits) limits {
	l.page, l.batch = r.batchOf(l.page), r.batchOf(l.batch)
	return l
}
