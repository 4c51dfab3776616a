package dsar

import (
	"encoding/json"
	"fmt"
)

// sealJSON encrypts v, bound to a place ("letters/9").
func (s *Service) sealJSON(place string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %T cannot be encoded", place, v)
	}
	cipher, err := s.c.Keys.Seal(plain, place)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", place, err)
	}
	return cipher, nil
}

// openJSON decrypts into v what sealJSON made for the same place. Errors never
// quote the plaintext, as those of encoding/json may.
func (s *Service) openJSON(place string, cipher []byte, v any) error {
	plain, err := s.c.Keys.Open(cipher, place)
	if err != nil {
		return fmt.Errorf("open %s: %w", place, err)
	}
	if json.Unmarshal(plain, v) != nil {
		return fmt.Errorf("open %s: the content does not read as %T", place, v)
	}
	return nil
}
