package objects

import (
	"context"
	"sync"

	"github.com/lethe-dsr/lethe/internal/source"
)

// atOnce is how many files are deleted side by side: one takes two round trips
// in S3, and a store takes hundreds at once.
const atOnce = 16

// Delete deletes files. One that is not there is a success: deletions are
// repeated after a kill. On an error the others may be gone or not; what is
// counted then is what is known to be.
func (s *Store) Delete(ctx context.Context, keys []string) (source.Deleted, error) {
	var done source.Deleted
	bucket, err := s.open(ctx)
	if err != nil || len(keys) == 0 {
		return done, err
	}
	var (
		mu    sync.Mutex
		first error
		wait  sync.WaitGroup
		work  = make(chan string)
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range min(atOnce, len(keys)) {
		wait.Go(func() {
			for key := range work {
				gone, err := s.delete(ctx, bucket, key)
				mu.Lock()
				switch {
				case err != nil && first == nil:
					first = err
					cancel()
				case err != nil:
				case gone:
					done.Gone++
				default:
					done.Missing++
				}
				mu.Unlock()
			}
		})
	}
give:
	for _, key := range keys {
		select {
		case work <- key:
		case <-ctx.Done():
			break give
		}
	}
	close(work)
	wait.Wait()
	if first == nil {
		first = ctx.Err()
	}
	if first != nil {
		return done, s.failed("deleting files", first)
	}
	if done.Missing > 0 {
		// Not there, or is the whole store not there?
		if err := s.present(ctx, bucket); err != nil {
			return done, err
		}
	}
	return done, nil
}

// delete deletes one file, and tells whether it was there.
func (s *Store) delete(ctx context.Context, bucket *bucket, key string) (there bool, err error) {
	switch {
	case !s.address.admits(key):
		return false, nil
	case bucket == nil:
		there, err = directory{s.address.folder}.delete(key)
	default:
		err = bucket.delete(ctx, key)
		there = err == nil
	}
	if s.missing(err) {
		return false, nil
	}
	return there, s.failed("deleting files", err)
}
