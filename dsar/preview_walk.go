package dsar

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/source"
)

// PreviewWalk is the walk that Preview would carry out in one source, for those
// who want to see how it is done there.
func (s *Service) PreviewWalk(ctx context.Context, a Actor, asked Submission, name string) (source.Walk, error) {
	w, err := s.previewWalk(a, asked)
	if err != nil {
		return w, fault("preview", err)
	}
	if w, err = s.fed(ctx, w, Holds{}, name); err != nil {
		return w, fault("preview: ask the sources linked with "+name, err)
	}
	return w, nil
}
